"""The rows of training and those held out for validation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, shuffle
from sklearn.utils.validation import _check_sample_weight

from gpubp.sklearn.arrays import on_host


@dataclass
class Rows:
    """Inputs, targets as the network takes them, weights or None."""

    x: Any
    y: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self):
        return self.x.shape[0]

    def __getitem__(self, index) -> "Rows":
        weights = None if self.weights is None else self.weights[index]
        return Rows(_safe_indexing(self.x, index), self.y[index], weights)


def checked_weights(given, y: np.ndarray) -> np.ndarray | None:
    """The weights of the rows of `y`, or None. Raises ValueError if there are more or fewer of them."""
    return None if given is None else _check_sample_weight(on_host("sample_weight", given), y)


def held_out(rows: Rows, fraction: float, stratify, random_state) -> tuple[Rows, Rows]:
    """The rows of training and of validation, drawn as scikit-learn draws them.

    Raises ValueError if fewer than two rows are held out.
    """
    if rows.x.shape[0] and hasattr(rows.x, "tocsr"):
        rows = Rows(rows.x.tocsr(), rows.y, rows.weights)
    train, held = train_test_split(
        np.arange(len(rows)), random_state=random_state, test_size=fraction, stratify=stratify
    )
    if len(held) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return rows[train], rows[held]


def order_of_epochs(random_state) -> Callable[[int], np.ndarray]:
    """Gives the orders of rows in which scikit-learn's solvers visit them: each shuffles the one before."""
    order: np.ndarray | None = None

    def next_order(rows: int) -> np.ndarray:
        nonlocal order
        order = shuffle(np.arange(rows) if order is None else order, random_state=random_state)
        return order

    return next_order
