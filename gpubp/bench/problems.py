"""The problems of cases: random ones, for time and memory, and real data sets, for scores."""

from collections.abc import Callable

import numpy as np

from gpubp import datasets
from gpubp.bench.case import SEED, Case, Problem
from gpubp.ops.philox import permutation

Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # x, y, x_test, y_test


def random_problem(case: Case) -> Problem:
    """Random rows, and as labels the largest of random linear functions of them, or as targets one such function."""
    rng = np.random.default_rng(SEED)
    x = rng.standard_normal((case.rows, case.widths[0]), "float32").astype(case.dtype)
    found = x @ rng.standard_normal((case.widths[0], case.widths[-1]), "float32").astype(case.dtype)
    return Problem(x, found if case.regression else found.argmax(axis=1), _order(case.rows), _weights(case))


def real_problem(case: Case, dataset: str) -> Problem:
    """A data set. Raises ImportError or OSError if it can't be had, ValueError if its columns are not the case's."""
    x, y, x_test, y_test = DATASETS[dataset]()
    if x.shape[1] != case.widths[0]:
        raise ValueError(f"{dataset} has {x.shape[1]} columns; the case {case.name} takes {case.widths[0]}")
    if case.regression:
        y, y_test = (a.astype(case.dtype) for a in (y, y_test))
    x, x_test = (np.ascontiguousarray(a, case.dtype) for a in (x, x_test))
    return Problem(x, y, _order(len(x)), _weights(case), x_test, y_test)


def _mnist() -> Data:
    (x, y), (x_test, y_test) = datasets.mnist.load_data()
    x, x_test = (a.reshape(len(a), -1).astype("float32") / 255 for a in (x, x_test))
    return x, y.astype(np.int64), x_test, y_test.astype(np.int64)


def _digits() -> Data:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, held = x / 16, np.arange(len(x)) % 5 == 0
    return x[~held], y[~held], x[held], y[held]


def _adult() -> Data:
    (x, y), (x_test, y_test) = datasets.adult.load_data()
    return _columns(x, x), y.astype(np.int64), _columns(x_test, x), y_test.astype(np.int64)


def _diamonds() -> Data:
    (x, y), (x_test, y_test) = datasets.diamonds.load_data()
    prices = ((a[:, None] - y.mean()) / y.std() for a in (y, y_test))
    return _columns(x, x), next(prices), _columns(x_test, x), next(prices)


def _columns(table: datasets.Table, train: datasets.Table) -> np.ndarray:
    """Numbers by the mean and the deviation of the train part, and a column of 0 and 1 for each level of a category."""
    scaled = (table.numbers - train.numbers.mean(axis=0)) / train.numbers.std(axis=0)
    levels = (np.eye(len(names), dtype="float32") for names in table.levels.values())
    return np.hstack([scaled, *(eye[codes] for eye, codes in zip(levels, table.categories.T, strict=True))])


DATASETS: dict[str, Callable[[], Data]] = {"mnist": _mnist, "digits": _digits, "adult": _adult, "diamonds": _diamonds}


def _order(rows: int) -> np.ndarray:
    """The order in which gpubp itself shuffles the rows in its first epoch."""
    return permutation(rows, SEED, 0)


def _weights(case: Case) -> list[np.ndarray]:
    rng = np.random.default_rng(SEED + 1)
    pairs = (((2 / m) ** 0.5 * rng.standard_normal((m, n), "float32"), np.zeros(n)) for m, n in case.layers)
    return [a.astype(case.dtype) for pair in pairs for a in pair]
