"""BLAS runs on one thread where it is gpubp that shares a step, and what others have set for their own is put back."""

import os
import subprocess
import sys

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


def test_a_large_net_trains_on_one(library):
    trained(1024)
    assert set(library.told) == {1, 4}
    assert library.threads == 4


def test_where_products_are_small_nothing_is_set(library):
    """BLAS takes one thread by itself."""
    trained(16)
    assert library.told == []


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


def test_every_thread_is_heeded():
    """By the library itself: threadpoolctl, left to itself, heeds the first thread that asks."""
    script = """
import threading
import numpy as np, gpubp
from gpubp.backend import threads
from gpubp.kernels.cpu import blas
blas.address("sgemm")
counts = lambda: {library.get_num_threads() for library in threads._training_blas()}
def limited():
    with threads.ONE_BLAS_THREAD:
        print(*counts())
for run in (limited, lambda: [t.start() or t.join() for t in [threading.Thread(target=limited)]]):
    run()
    print(*counts())
"""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    several = done.stdout.split()[1]
    assert done.stdout.split() == ["1", several, "1", several]
    assert int(several) == min(2, threads.processors())
