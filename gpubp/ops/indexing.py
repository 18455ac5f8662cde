"""Ops that pick by index: the rows of a batch, the class of a label."""

import numpy as np

from gpubp.ops.elementwise import cast, elementwise, equal
from gpubp.ops.registry import dims, register, value
from gpubp.ops.shapes import size
from gpubp.ops.shaping import arange, expand_dims


def _rows_views(source, index, out, dtype):
    return (source[0], size(source[1:])), index, (out[0], size(out[1:]))


def _take_rows(source, index, dtype):
    if index.size and not (index.min() >= 0 and index.max() < len(source)):
        raise IndexError(f"a row index is not in 0..{len(source) - 1}")
    return source[index].astype(dtype)


take_rows = register(
    "take_rows",
    shape=lambda source, index, dtype: index + source[1:],
    reference=_take_rows,
    gradient=lambda dy, y, source, index, dtype: (None, None),
    dtype=lambda source, index, dtype: np.dtype(dtype),
    common=(),
    kernel="gather.take_rows",
    views=_rows_views,
    smooth=False,
    examples=((((5, 3), np.array([4, 0, 4])), {"dtype": "float32"}), (((5,), np.array([1])), {"dtype": "float64"})),
)


def _checked(index, depth):
    wrong = (index < 0) | (index >= depth)
    if wrong.any():
        raise IndexError(f"the label {index[wrong].flat[0]} is not in 0..{int(np.max(depth)) - 1}")
    return index


check_index = elementwise(
    "check_index",
    "checked_index(ctx, row, {0}, {1})",
    _checked,
    lambda dy, y, index, depth: (None, None),
    smooth=False,
    examples=(((np.array([0, 4, 2]), np.array(5)), {}),),
)


def one_hot(labels, depth: int, dtype="float32"):
    """Ones where the class is the label: labels (...) int -> (..., depth). Raises IndexError out of 0..depth-1."""
    return cast(label_mask(labels, depth), dtype)


def label_mask(labels, depth: int):
    """True where the class is the label: labels (...) -> bool (..., depth). Raises IndexError out of 0..depth-1."""
    labels = check_index(cast(value(labels), np.int64), depth)
    return equal(expand_dims(labels, len(dims(labels))), arange(depth, like=labels))
