"""Order: by which indices elements would be sorted, and what follows from that. NaN counts as the largest."""

import numpy as np

from gpubp.ops.indexing import take_along_axis
from gpubp.ops.logic import cast, less
from gpubp.ops.pointwise import flat
from gpubp.ops.reductions import sum
from gpubp.ops.registry import dims, register, value
from gpubp.ops.scans import lines
from gpubp.ops.shapes import normal_axis, public
from gpubp.ops.shaping import expand_dims, ravel
from gpubp.ops.slicing import getitem

_TIED = np.array([[1.0, 3.0, 1.0, np.nan, -0.0], [0.0, -np.inf, np.inf, 0.0, 3.0]])


def _order(x, axis, descending):
    if not descending:
        return np.argsort(x, axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - np.argsort(np.flip(x, axis), axis, kind="stable"), axis)


_argsort = register(
    "argsort",
    shape=lambda x, axis, descending: x,
    reference=_order,
    gradient=flat(1),
    dtype=lambda x, axis, descending: np.dtype(np.int64),
    kernel="sort.argsort",
    views=lambda x, y, axis, descending: (lines(x, axis), lines(y, axis)),
    options=lambda x, y, axis, descending: (int(descending),),
    smooth=False,
    examples=tuple(
        ((x,), {"axis": axis, "descending": down})
        for x, axis in (((3, 40), 1), ((2, 9, 3), 1), (_TIED, 1), (_TIED, 0))
        for down in (False, True)
    ),
)


def argsort(x, axis=-1):
    """The int64 indices that would sort along an axis (None: the flattened array); equal elements keep their order."""
    x = ravel(x) if axis is None else value(x)
    return _argsort(x, axis=normal_axis(-1 if axis is None else axis, len(dims(x))), descending=False)


def sort(x, axis=-1):
    """The elements in rising order along an axis (None: of the flattened array). Gradients go where they came from."""
    x, axis = (ravel(x), 0) if axis is None else (value(x), axis)
    return take_along_axis(x, argsort(x, axis), axis)


def top_k(x, k: int, sorted=True):
    """The k largest elements along the last axis and their int64 indices, the largest first; of ties the first.

    Raises ValueError if there are fewer than k.

    >>> from gpubp import ops
    >>> values, indices = ops.top_k([1, 5, 3], 2)
    >>> values.tolist(), indices.tolist()
    ([5, 3], [1, 2])
    """
    x = value(x)
    n = dims(x)[-1] if dims(x) else 0
    if not isinstance(n, int) or not 0 < k <= n:
        raise ValueError(f"top_k takes k from 1 to the size of the last axis of {public(dims(x))}; k is {k}")
    indices = getitem(_argsort(x, axis=len(dims(x)) - 1, descending=True), (..., slice(0, k)))
    return take_along_axis(x, indices, -1), indices


def in_top_k(targets, predictions, k: int):
    """Whether the prediction for the target class is among the k largest: targets (rows,), predictions (rows, classes).

    Ties with the k-th largest are counted in.
    """
    predictions = value(predictions)
    chosen = take_along_axis(predictions, expand_dims(targets, -1), -1)
    larger = sum(cast(less(chosen, predictions), np.int64), -1)
    return less(larger, k)
