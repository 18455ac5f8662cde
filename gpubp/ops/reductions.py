"""Ops that reduce axes: the primitives keep the reduced axes as ones, the public functions are made of them."""

import numpy as np

from gpubp.ops.elementwise import cast, equal, exp, isfinite, isnan, log, logical_or, stop_gradient, where
from gpubp.ops.registry import dims, register, same_dtype, value
from gpubp.ops.shapes import Dim, size
from gpubp.ops.shaping import arange, broadcast_to, reshape


def _reduced(x, axes):
    return tuple(1 if i in axes else d for i, d in enumerate(x))


def _views(x, y, axes):
    """A kernel of its own sees [outer, reduced, inner]: the reduced axes are neighbours."""
    first, last = axes[0], axes[-1] + 1
    return ((size(x[:first]), size(x[first:last]), size(x[last:])), (size(x[:first]), size(x[last:])))


def _reduction(name, reference, gradient, **rules):
    return register(
        f"reduce_{name}",
        shape=_reduced,
        reference=lambda x, axes: reference(x, axes, keepdims=True),
        gradient=gradient,
        dtype=same_dtype,
        reduction=name,
        kernel=f"reduce.reduce_{name}",
        views=_views,
        examples=((((3, 4),), {"axes": (1,)}), (((3, 4),), {"axes": (0,)}), (((2, 3, 4),), {"axes": (0, 1, 2)})),
        **rules,
    )


def _extreme_gradient(dy, y, x, axes):
    """Elements that tie share the gradient."""
    hit = cast(equal(x, y), x.dtype)
    return (dy * hit / reduce_sum(hit, axes=axes),)


reduce_sum = _reduction(
    "sum",
    lambda x, axes, keepdims: np.sum(x, axes, dtype=x.dtype, keepdims=keepdims),
    lambda dy, y, x, axes: (broadcast_to(dy, x.dims),),
)
reduce_max = _reduction("max", np.max, _extreme_gradient, smooth=False)
reduce_min = _reduction("min", np.min, _extreme_gradient, smooth=False)


def normal_axes(axis, rank) -> tuple[int, ...]:
    """`axis` (None, an int or several) as a sorted tuple of distinct axes >= 0. Raises ValueError out of range."""
    wanted = range(rank) if axis is None else (axis,) if isinstance(axis, int) else axis
    for a in wanted:
        if not -rank <= a < rank:
            raise ValueError(f"axis {a} is out of range for an array of {rank} dimensions")
    return tuple(sorted({a % rank for a in wanted}))


def _neighbours(axes) -> list[tuple[int, ...]]:
    """The axes in runs of neighbours."""
    runs: list[tuple[int, ...]] = []
    for a in axes:
        if runs and runs[-1][-1] == a - 1:
            runs[-1] += (a,)
        else:
            runs.append((a,))
    return runs


def _reduce(op, x, axis, keepdims):
    shape = dims(x)
    axes = normal_axes(axis, len(shape))
    for run in _neighbours([a for a in axes if shape[a] != 1]):
        x = op(x, axes=run)
    return x if keepdims else reshape(x, tuple(d for i, d in enumerate(shape) if i not in axes))


def sum(x, axis=None, keepdims=False):
    """The sum over the axes (all of them by default), in the dtype of `x`; integers and booleans in int64."""
    x = value(x)
    return _reduce(reduce_sum, x if x.dtype.kind == "f" else cast(x, np.int64), axis, keepdims)


def max(x, axis=None, keepdims=False):
    """The largest element over the axes; NaN where there is one. The gradient is shared by ties."""
    return _reduce(reduce_max, value(x), axis, keepdims)


def min(x, axis=None, keepdims=False):
    """The smallest element over the axes; NaN where there is one. The gradient is shared by ties."""
    return _reduce(reduce_min, value(x), axis, keepdims)


def count(x, axis=None):
    """How many elements lie along the axes: an int, or where it depends on the rows a value read by the program."""
    shape = dims(x)
    n = size(tuple(shape[a] for a in normal_axes(axis, len(shape))))
    return x.graph.rows(n) if isinstance(n, Dim) else n


def mean(x, axis=None, keepdims=False):
    """The sum over the axes divided by their number of elements. Integers are averaged in float32."""
    x = value(x)
    x = x if x.dtype.kind == "f" else cast(x, np.float32)
    n = count(x, axis)
    return sum(x, axis, keepdims) / (float(n) if isinstance(n, int) else cast(n, x.dtype))


def argmax(x, axis=-1):
    """The int64 index of the first largest element along an axis; of the first NaN where there is one.

    Raises ValueError if the axis is that of the rows of a batch.
    """
    x = value(x)
    (axis,) = normal_axes(axis, len(dims(x)))
    n = dims(x)[axis]
    if not isinstance(n, int):
        raise ValueError("argmax along the rows of a batch is not supported; take it along a fixed axis")
    index = reshape(arange(n, like=x), (n,) + (1,) * (len(dims(x)) - axis - 1))
    x = stop_gradient(x)
    top = max(x, axis, keepdims=True)
    hit = logical_or(equal(x, top), isnan(x)) if x.dtype.kind == "f" else equal(x, top)
    return min(where(hit, index, n), axis)


def logsumexp(x, axis=-1, keepdims=False):
    """log(sum(exp(x))) along an axis, with the largest element taken out first so that nothing overflows."""
    x = value(x)
    y = log_of_sum(*shifted_exp(x, axis))
    return y if keepdims else reshape(y, _without(dims(x), axis))


def _without(shape, axis):
    axes = normal_axes(axis, len(shape))
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def shifted_exp(x, axis):
    """exp(x - top), its sum along the axis and top, the finite part of the largest element."""
    top = max(stop_gradient(x), axis, keepdims=True)
    top = where(isfinite(top), top, 0.0)
    e = exp(x - top)
    return e, sum(e, axis, keepdims=True), top


def log_of_sum(e, total, top):
    """The logarithm of a sum of exponentials from the parts of `shifted_exp`."""
    return log(total) + top


def sum_to(x, shape):
    """Adds up what broadcasting from `shape` has repeated."""
    if dims(x) == shape:
        return x
    pad = len(dims(x)) - len(shape)
    axes = tuple(i for i, d in enumerate(dims(x)) if i < pad or (shape[i - pad] == 1 and d != 1))
    return reshape(sum(x, axes, keepdims=True) if axes else x, shape)
