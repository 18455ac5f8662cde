"""The problems of cases: random ones, for time and memory, and real data sets, for scores."""

import numpy as np

from gpubp.bench.case import SEED, Case, Problem
from gpubp.ops.philox import permutation


def random_problem(case: Case) -> Problem:
    """Random rows, and as labels the largest of random linear functions of them, or as targets one such function."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((case.rows, case.widths[0]), "float32").astype(case.dtype)
    found = x @ rng.standard_normal((case.widths[0], case.widths[-1]), "float32").astype(case.dtype)
    return Problem(x, found if case.regression else found.argmax(axis=1), _order(case.rows), _weights(case))


def real_problem(case: Case, dataset: str) -> Problem:
    """A data set, every feature from 0 to 1. Raises ImportError or OSError if it can't be had."""
    x, y, x_test, y_test = DATASETS[dataset]()
    x, x_test = (np.ascontiguousarray(a, case.dtype) for a in (x, x_test))
    return Problem(x, y, _order(len(x)), _weights(case), x_test, y_test)


def _mnist():
    from gpubp.datasets import mnist

    (x, y), (x_test, y_test) = mnist.load_data()
    flat = (a.reshape(len(a), -1).astype("float32") / 255 for a in (x, x_test))
    x, x_test = flat
    return x, y.astype(np.int64), x_test, y_test.astype(np.int64)


def _digits():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, held = x / 16, np.arange(len(x)) % 5 == 0
    return x[~held], y[~held], x[held], y[held]


DATASETS = {"mnist": _mnist, "digits": _digits}


def _order(rows: int) -> np.ndarray:
    """The order in which gpubp itself shuffles the rows in its first epoch."""
    return permutation(rows, SEED, 0)


def _weights(case: Case) -> list[np.ndarray]:
    rng = np.random.default_rng(SEED + 1)
    pairs = (((2 / m) ** 0.5 * rng.standard_normal((m, n), "float32"), np.zeros(n)) for m, n in case.layers)
    return [a.astype(case.dtype) for pair in pairs for a in pair]
