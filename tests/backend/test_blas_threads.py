"""Small products run on one thread, and what others have set for their own is put back."""

import os

import numpy as np
import pytest

from gpubp import Input, Sequential, layers
from gpubp.backend import threads


class Library:
    """A BLAS of four threads that notes what it is told."""

    def __init__(self):
        self.threads, self.told = 4, []

    def get_num_threads(self):
        return self.threads

    def set_num_threads(self, n):
        self.threads = n
        self.told.append(n)


@pytest.fixture
def library(monkeypatch):
    made = Library()
    monkeypatch.setattr(threads, "_training_blas", lambda: [made])
    return made


def trained(width):
    model = Sequential([Input((width,)), layers.Dense(width, "relu"), layers.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(np.zeros((64, width), np.float32), np.zeros((64, 2)), batch_size=64, verbose=0)


def test_a_small_net_trains_on_one(library):
    trained(16)
    assert set(library.told) == {1, 4}
    assert library.threads == 4


def test_a_large_net_trains_on_one_too(library):
    """It is gpubp that shares its products."""
    trained(1024)
    assert set(library.told) == {1, 4}
    assert library.threads == 4


def test_they_come_back_after_an_error(library):
    def failing():
        with threads.ONE_BLAS_THREAD:
            raise RuntimeError(library.threads)

    with pytest.raises(RuntimeError, match="1"):
        failing()
    assert library.threads == 4


def test_several_runs_at_once_limit_them_once(library):
    """Who begins second must not take the limit for what is to be put back, nor for what a team may have."""
    with threads.ONE_BLAS_THREAD:
        with threads.ONE_BLAS_THREAD:
            assert threads.ONE_BLAS_THREAD.threads() == 4
        assert library.threads == 1
    assert library.told == [1, 4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings(r"ignore:.*fork\(\):DeprecationWarning")
def test_a_forked_child_is_not_limited(library):
    with threads.ONE_BLAS_THREAD:
        child = os.fork()
        if child == 0:
            os._exit(library.threads)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 4
        assert library.threads == 1
