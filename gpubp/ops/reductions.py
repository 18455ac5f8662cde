"""Ops that reduce axes: the primitives keep the reduced axes as ones, the public functions are made of them."""

from functools import reduce

import numpy as np

from gpubp.ops.elementwise import exp, log, maximum, minimum, multiply
from gpubp.ops.logic import cast, equal, isfinite, isnan, logical_or, not_equal, stop_gradient, where
from gpubp.ops.registry import dims, number, register, same_dtype, value
from gpubp.ops.shapes import normal_axes, public, size
from gpubp.ops.shaping import broadcast_to, iota, ravel, reshape
from gpubp.ops.slicing import getitem


def _reduced(x, axes):
    return tuple(1 if i in axes else d for i, d in enumerate(x))


def _extreme(x, axes):
    """As `_reduced`. Raises ValueError where there is nothing to choose from."""
    if 0 in [x[a] for a in axes]:
        raise ValueError(f"{public(x)} has no elements along an axis; the largest or smallest of none is not defined")
    return _reduced(x, axes)


def _views(x, y, axes):
    """A kernel of its own sees [outer, reduced, inner]: the reduced axes are neighbours."""
    first, last = axes[0], axes[-1] + 1
    return ((size(x[:first]), size(x[first:last]), size(x[last:])), (size(x[:first]), size(x[last:])))


def _reduction(name, reference, gradient, shape=_reduced, **rules):
    return register(
        f"reduce_{name}",
        shape=shape,
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
reduce_max = _reduction("max", np.max, _extreme_gradient, _extreme, smooth=False)
reduce_min = _reduction("min", np.min, _extreme_gradient, _extreme, smooth=False)


def _neighbours(axes) -> list[tuple[int, ...]]:
    """The axes in runs of neighbours."""
    runs: list[tuple[int, ...]] = []
    for a in axes:
        if runs and runs[-1][-1] == a - 1:
            runs[-1] += (a,)
        else:
            runs.append((a,))
    return runs


def without(shape, axes):
    """A shape without some axes."""
    return tuple(d for i, d in enumerate(shape) if i not in axes)


def _reduce(op, x, axis, keepdims):
    shape = dims(x)
    axes = normal_axes(axis, len(shape))
    for run in _neighbours([a for a in axes if shape[a] != 1]):
        x = op(x, axes=run)
    return x if keepdims else reshape(x, without(shape, axes))


def sum(x, axis=None, keepdims=False):
    """The sum over the axes (all of them by default), in the dtype of `x`; integers and booleans in int64."""
    x = value(x)
    return _reduce(reduce_sum, x if x.dtype.kind == "f" else cast(x, np.int64), axis, keepdims)


def max(x, axis=None, keepdims=False, initial=None):
    """The largest element over the axes, or `initial` if it is larger; NaN where there is one.

    The gradient is shared by ties.
    """
    y = _reduce(reduce_max, value(x), axis, keepdims)
    return y if initial is None else maximum(y, initial)


def min(x, axis=None, keepdims=False, initial=None):
    """The smallest element over the axes, or `initial` if it is smaller; NaN where there is one.

    The gradient is shared by ties.
    """
    y = _reduce(reduce_min, value(x), axis, keepdims)
    return y if initial is None else minimum(y, initial)


def any(x, axis=None, keepdims=False):
    """Whether one or more elements over the axes are true (not zero)."""
    return max(cast(value(x), bool), axis, keepdims)


def all(x, axis=None, keepdims=False):
    """Whether all elements over the axes are true (not zero)."""
    return min(cast(value(x), bool), axis, keepdims)


def count_nonzero(x, axis=None):
    """How many elements over the axes are not zero, as int64."""
    return sum(not_equal(x, 0), axis)


def prod(x, axis=None, keepdims=False, dtype=None):
    """The product over the axes (all of them by default); integers in int64.

    Halves are multiplied with each other until one element is left, so that gradients are right where some are zero.
    Raises ValueError along the rows of a batch.
    """
    x = value(x)
    x = cast(x, dtype or (x.dtype if x.dtype.kind == "f" else np.int64))
    shape = dims(x)
    axes = normal_axes(axis, len(shape))
    for a in axes:
        x = _product_along(x, a, (slice(None),) * a)
    return x if keepdims else reshape(x, without(shape, axes))


def _product_along(x, axis, lead):
    n, factors = dims(x)[axis], []
    if not isinstance(n, int) or n == 0:
        raise ValueError(f"prod needs a fixed number of factors, one or more; axis {axis} of {public(dims(x))} has not")
    while n > 1:
        half = n // 2
        if n % 2:
            factors.append(getitem(x, (*lead, slice(n - 1, n))))
        x, n = getitem(x, (*lead, slice(0, half))) * getitem(x, (*lead, slice(half, 2 * half))), half
    return reduce(multiply, factors, x)


def count(x, axis=None):
    """How many elements lie along the axes: an int, or where it depends on the rows a value read by the program."""
    shape = dims(x)
    return number(size(tuple(shape[a] for a in normal_axes(axis, len(shape)))), x)


def mean(x, axis=None, keepdims=False):
    """The sum over the axes divided by their number of elements. Integers are averaged in float32."""
    x = value(x)
    x = x if x.dtype.kind == "f" else cast(x, np.float32)
    n = count(x, axis)
    return sum(x, axis, keepdims) / (float(n) if isinstance(n, int) else cast(n, x.dtype))


def argmax(x, axis=None, keepdims=False):
    """The int64 index of the first largest element along an axis (default: in the flattened array); NaN is largest.

    Raises ValueError if the axis is that of the rows of a batch.
    """
    return _first(max, value(x), axis, keepdims)


def argmin(x, axis=None, keepdims=False):
    """The int64 index of the first smallest element along an axis (default: in the flattened array); NaN is smallest.

    Raises ValueError if the axis is that of the rows of a batch.
    """
    return _first(min, value(x), axis, keepdims)


def _first(extreme, x, axis, keepdims):
    """The index of the first element that is the extreme along the axis."""
    shape = dims(x)
    if axis is None:
        found = _first(extreme, ravel(x), 0, False)
        return reshape(found, (1,) * len(shape)) if keepdims else found
    (axis,) = normal_axes(axis, len(shape))
    n = shape[axis]
    if not isinstance(n, int):
        raise ValueError("argmax and argmin along the rows of a batch are not supported; take them along a fixed axis")
    index = reshape(iota(n, like=x), (n,) + (1,) * (len(shape) - axis - 1))
    x = stop_gradient(x)
    top = extreme(x, axis, keepdims=True)
    hit = logical_or(equal(x, top), isnan(x)) if x.dtype.kind == "f" else equal(x, top)
    return min(where(hit, index, n), axis, keepdims)


def logsumexp(x, axis=None, keepdims=False):
    """log(sum(exp(x))) over the axes (default: all), the largest element taken out first: nothing overflows."""
    x = value(x)
    _, total, top = shifted_exp(x, axis)
    y = log(total) + top
    return y if keepdims else reshape(y, without(dims(x), normal_axes(axis, len(dims(x)))))


def shifted_exp(x, axis):
    """exp(x - top), its sum along the axis and top, the finite part of the largest element."""
    top = max(stop_gradient(x), axis, keepdims=True)
    top = where(isfinite(top), top, 0.0)
    e = exp(x - top)
    return e, sum(e, axis, keepdims=True), top


def sum_to(x, shape):
    """Adds up what broadcasting from `shape` has repeated."""
    if dims(x) == shape:
        return x
    pad = len(dims(x)) - len(shape)
    axes = tuple(i for i, d in enumerate(dims(x)) if i < pad or (shape[i - pad] == 1 and d != 1))
    return reshape(sum(x, axes, keepdims=True) if axes else x, shape)
