"""Ops that pick by index: the rows of a batch, elements along an axis, the class of a label."""

import numpy as np

from gpubp.ops.logic import cast, equal
from gpubp.ops.pointwise import pointwise
from gpubp.ops.registry import Op, dims, number, register, value
from gpubp.ops.shapes import normal_axis, size
from gpubp.ops.shaping import expand_dims, iota, moveaxis, ravel, reshape


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


def _take_sparse_rows(data, indices, indptr, index, columns, dtype):
    from scipy.sparse import csr_array  # SciPy takes time to import, and few programs read sparse rows

    for name, given, n in (
        ("column", indices, columns),
        ("row", index, len(indptr) - 1),
        ("entry", indptr, len(data) + 1),
    ):
        if given.size and not (given.min() >= 0 and given.max() < n):  # SciPy does not look
            raise IndexError(f"a {name} index is not in 0..{n - 1}")
    rows = csr_array((data, indices, indptr), shape=(len(indptr) - 1, columns))
    return rows[index].toarray().astype(dtype)


# Rows of a CSR matrix, as dense ones: (entries,), (entries,), (rows + 1,), (index,) -> (index, columns).
take_sparse_rows = register(
    "take_sparse_rows",
    shape=lambda data, indices, indptr, index, columns, dtype: (*index, columns),
    reference=_take_sparse_rows,
    gradient=lambda dy, y, data, indices, indptr, index, columns, dtype: (None,) * 4,
    dtype=lambda data, indices, indptr, index, columns, dtype: np.dtype(dtype),
    common=(),
    kernel="gather.take_sparse_rows",
    views=lambda data, indices, indptr, index, out, columns, dtype: (data, indices, indptr, index, out),
    smooth=False,
    examples=(
        (
            ((4,), np.array([1, 3, 0, 2], np.int32), np.array([0, 2, 2, 4]), np.array([2, 0, 1])),
            {"columns": 5, "dtype": "float64"},
        ),
    ),
)


def _in_range(index, n):
    wrong = (index < -n) | (index >= n)
    if wrong.any():
        raise IndexError(f"the index {index[wrong].flat[0]} is not in {-n}..{n - 1}")
    return index


def _scattered(updates, index, axis, n):
    y = np.zeros((*updates.shape[:axis], n, *updates.shape[axis + index.ndim :]), updates.dtype)
    flat = updates.reshape(*y.shape[:axis], index.size, *y.shape[axis + 1 :])
    np.add.at(np.moveaxis(y, axis, 0), _in_range(index, n).ravel(), np.moveaxis(flat, axis, 0))
    return y


def _outer_picked_inner(whole, index, picked, axis):
    """The shapes that kernels work on: [outer, n, inner], the indices, [outer, indices, inner]."""
    outer, inner = size(whole[:axis]), size(whole[axis + 1 :])
    return (outer, whole[axis], inner), (size(index),), (outer, size(index), inner)


_take: Op = register(
    "take",
    shape=lambda x, index, axis: x[:axis] + index + x[axis + 1 :],
    reference=lambda x, index, axis: np.take(x, _in_range(index, x.shape[axis]), axis),
    gradient=lambda dy, y, x, index, axis: (scatter_add(dy, index, axis=axis, n=dims(x)[axis]), None),
    dtype=lambda x, index, axis: x,
    common=(),
    kernel="gather.take",
    views=lambda x, index, y, axis: _outer_picked_inner(x, index, y, axis),
    examples=(
        (((5, 3), np.array([4, 0, 4])), {"axis": 0}),
        (((2, 5, 3), np.array([[1, -1], [0, -5]])), {"axis": 1}),
        (((5,), np.array(2)), {"axis": 0}),
        (((3, 4), np.array([3, 3, 3, 0])), {"axis": 1}),
    ),
)

scatter_add: Op = register(
    "scatter_add",
    shape=lambda updates, index, axis, n: (*updates[:axis], n, *updates[axis + len(index) :]),
    reference=_scattered,
    gradient=lambda dy, y, updates, index, axis, n: (_take(dy, index, axis=axis), None),
    dtype=lambda updates, index, axis, n: updates,
    common=(),
    kernel="gather.scatter_add",
    views=lambda updates, index, y, axis, n: _outer_picked_inner(y, index, updates, axis)[::-1],
    examples=(
        (((3, 2), np.array([4, 0, 4])), {"axis": 0, "n": 5}),
        (((2, 2, 2, 3), np.array([[1, -1], [0, 1]])), {"axis": 1, "n": 4}),
    ),
)
"""Zeros with `n` elements along an axis, to which each update is added at its index, in their order."""


def _checked(index, depth, what="label"):
    wrong = (index < 0) | (index >= depth)
    if wrong.any():
        raise IndexError(f"the {what} {index[wrong].flat[0]} is not in 0..{int(np.max(depth)) - 1}")
    return index


check_index = pointwise(
    "check_index",
    "checked_index(ctx, row, {0}, {1})",
    _checked,
    lambda dy, y, index, depth, **attrs: (None, None),
    smooth=False,
    examples=(((np.array([0, 4, 2]), np.array(5)), {}),),
)


def take(x, indices, axis=None):
    """The elements at integer indices along an axis (default: of the flattened array); negative ones from the end.

    Arguments:
        x: array.
        indices: integer array of any shape, which takes the place of the axis in the result.
        axis: int or None.

    Raises:
        IndexError: for an index out of range; inside of a compiled function or a model's training, ValueError.
    """
    x = ravel(x) if axis is None else value(x)
    indices = value(indices)
    if np.dtype(indices.dtype).kind not in "iu":
        raise ValueError(f"take: indices are integers; these are {indices.dtype}")
    return _take(x, indices, axis=normal_axis(axis or 0, len(dims(x))))


def take_along_axis(x, indices, axis=None):
    """Of each line along an axis the elements at the indices of the same line.

    Arguments:
        x: array.
        indices: integer array of the shape of `x` but for the axis.
        axis: int; by default `x` is flattened.

    Raises:
        ValueError: if the shapes do not fit.
        IndexError: for an index that is not in 0..n-1, n being the elements along the axis; inside of a compiled
            function or a model's training, ValueError.
    """
    if axis is None:
        return take_along_axis(ravel(x), ravel(indices), 0)
    x, indices = value(x), value(indices)
    axis, shape, picked = normal_axis(axis, len(dims(x))), dims(x), dims(indices)
    if shape[:axis] + shape[axis + 1 :] != picked[:axis] + picked[axis + 1 :] or len(shape) != len(picked):
        raise ValueError(f"take_along_axis: indices of shape {picked} do not fit {shape} but for axis {axis}")
    before, n, after = size(shape[:axis]), number(shape[axis], x), size(shape[axis + 1 :])
    place = check_index(cast(indices, np.int64), n)
    lines = reshape(iota(before, like=x), (*shape[:axis], *(1,) * (len(shape) - axis)))
    columns = reshape(iota(after, like=x), shape[axis + 1 :])
    return reshape(_take(ravel(x), ravel((lines * n + place) * number(after, x) + columns), axis=0), picked)


def one_hot(x, num_classes: int, axis=-1, dtype=None):
    """Ones where the class is the label, along a new axis: labels (...) int -> (..., num_classes), float32 by default.

    Raises IndexError for a label that is not in 0..num_classes-1; inside of a compiled function or a model's training,
    ValueError.
    """
    hot = cast(label_mask(x, num_classes), dtype or np.float32)
    return moveaxis(hot, -1, axis)


def label_mask(labels, depth: int):
    """True where the class is the label: labels (...) -> bool (..., depth). Raises IndexError out of 0..depth-1."""
    labels = check_index(cast(value(labels), np.int64), depth)
    return equal(expand_dims(labels, len(dims(labels))), iota(depth, like=labels))
