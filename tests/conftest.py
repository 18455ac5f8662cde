"""One BLAS thread for all tests: they run beside other work, and bits then do not depend on the machine's cores."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import gpubp

gpubp.set_device("cpu")  # tests of other devices choose them


@pytest.fixture
def team_of(monkeypatch):
    """A function that has so many threads share every instruction that can be divided, however small it is."""
    from gpubp.engine.executors import cpu, shares

    for module, name, value in (
        *((shares, name, 1) for name in ("LINE", "BROAD", "ROWS")),
        *((shares, "WORTH", -1), (cpu, "BEGINNING", -1), (cpu, "MEETING_TIME", 0)),
    ):
        monkeypatch.setattr(module, name, value)
    return lambda threads: monkeypatch.setattr(cpu, "team_size", lambda: threads)
