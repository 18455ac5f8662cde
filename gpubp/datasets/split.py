"""A train and a test part, drawn as Keras draws them."""

from typing import Any

import numpy as np

Parts = tuple[tuple[Any, np.ndarray], tuple[Any, np.ndarray]]


def split(x: Any, y: np.ndarray, test_split: float, seed: int) -> Parts:
    """`(x_train, y_train), (x_test, y_test)`: the rows shuffled, then cut.

    Arguments:
        x: array or `Table` of n rows.
        y: array of n targets.
        test_split: the part of the rows that are for testing, at least 0 and less than 1.
        seed: of the shuffling.

    Raises:
        ValueError: `test_split` is out of range.

    >>> x = np.arange(4)
    >>> [y.tolist() for _, y in split(x, 10 * x, 0.25, seed=0)]
    [[20, 30, 10], [0]]
    """
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split must be at least 0 and less than 1; it is {test_split!r}")
    order = np.arange(len(y))
    # NumPy's old generator is Keras's, so that a seed means the same.
    np.random.RandomState(seed).shuffle(order)
    train, test = np.split(order, [int(len(y) * (1 - test_split))])
    return (x[train], y[train]), (x[test], y[test])
