"""Small products run on one thread, and what others have set for their own is put back."""

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


@pytest.mark.parametrize("cores", [1, 2])
def test_a_large_one_keeps_them_where_no_threads_share_its_products(library, monkeypatch, cores):
    monkeypatch.setattr(threads, "cores", lambda numbers: cores)
    trained(1024)
    assert set(library.told) == ({1, 4} if cores > 1 else set())
    assert library.threads == 4


def test_they_come_back_after_an_error(library):
    def failing():
        with threads.one_blas_thread():
            raise RuntimeError(library.threads)

    with pytest.raises(RuntimeError, match="1"):
        failing()
    assert library.threads == 4
