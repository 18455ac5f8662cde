"""Variances and norms. Where a root is taken of 0 its gradient, which is not defined there, is 0."""

from gpubp import config
from gpubp.ops.elementwise import abs, maximum, power, rsqrt, sqrt, square
from gpubp.ops.logic import cast, equal, not_equal, where
from gpubp.ops.reductions import max, mean, min, sum
from gpubp.ops.registry import dims, value
from gpubp.ops.shapes import normal_axes, public


def var(x, axis=None, keepdims=False):
    """The mean of the squared deviations from the mean, which is computed first; integers in float32."""
    x = value(x)
    x = x if x.dtype.kind == "f" else cast(x, "float32")
    return mean(square(x - mean(x, axis, keepdims=True)), axis, keepdims)


def std(x, axis=None, keepdims=False):
    """The square root of the variance; integers in float32."""
    return _root(var(x, axis, keepdims))


def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of vectors or matrices.

    Arguments:
        x: array.
        ord: of vectors None (2), a number, inf, -inf or 0 (how many are not zero); of matrices None or "fro", 1, -1,
            inf or -inf.
        axis: an int for vectors, two for matrices; by default all axes with `ord` None, else those of a vector or
            matrix `x`.
        keepdims: whether the axes stay as ones. Default False.

    Raises:
        ValueError: for another `ord` or number of axes.

    >>> from gpubp import ops
    >>> float(ops.norm([3.0, 4.0])), float(ops.norm([3.0, -4.0], ord=1))
    (5.0, 7.0)
    """
    x = value(x)
    x = x if x.dtype.kind == "f" else cast(x, "float32")
    axes = (axis,) if isinstance(axis, int) else range(len(dims(x))) if axis is None else axis
    if (ord is None and (axis is None or len(axes) <= 2)) or (ord == "fro" and len(axes) == 2):
        return _root(sum(square(x), tuple(axes), keepdims))
    if len(axes) == 1:
        return _vector_norm(x, ord, axes[0], keepdims)
    if len(axes) == 2 and ord in (1, -1, float("inf"), -float("inf")):
        return _matrix_norm(x, ord, tuple(a % len(dims(x)) for a in axes), keepdims)
    raise ValueError(f"norm: ord {ord!r} over {len(axes)} axes of shape {public(dims(x))} is not supported")


def normalize(x, axis=-1, order=2, epsilon=None):
    """x divided by its norm along an axis, or by epsilon where that is larger.

    Arguments:
        x: array.
        axis: int. Default -1.
        order: of the norm, an int of at least 1. Default 2.
        epsilon: default `config.epsilon()`.

    >>> from gpubp import ops
    >>> ops.normalize([3.0, 4.0]).round(2).tolist()
    [0.6, 0.8]
    """
    x, epsilon = value(x), config.epsilon() if epsilon is None else epsilon
    if order == 2:
        return x * rsqrt(maximum(sum(square(x), axis, keepdims=True), epsilon**2))
    return x / maximum(norm(x, order, axis, keepdims=True), epsilon)


def _vector_norm(x, ord, axis, keepdims):
    if ord in (float("inf"), -float("inf")):
        return (max if ord > 0 else min)(abs(x), axis, keepdims)
    if ord == 0:
        return sum(cast(not_equal(x, 0.0), x.dtype), axis, keepdims)
    if not isinstance(ord, int | float):
        raise ValueError(f"norm: ord of vectors is a number or None; it is {ord!r}")
    if ord == 1:
        return sum(abs(x), axis, keepdims)
    return _root(sum(square(x) if ord == 2 else power(abs(x), float(ord)), axis, keepdims), float(ord))


def _matrix_norm(x, ord, axes, keepdims):
    """The largest or smallest sum of magnitudes: of a column for 1 and -1, of a row for inf and -inf."""
    summed, left = axes if ord in (1, -1) else axes[::-1]
    y = (max if ord > 0 else min)(sum(abs(x), summed, keepdims=True), left, keepdims=True)
    return y if keepdims else sum(y, normal_axes(axes, len(dims(x))))


def _root(x, degree=2.0):
    """A root whose gradient at 0 is 0."""
    zero = equal(x, 0.0)
    positive = where(zero, 1.0, x)
    return where(zero, 0.0, sqrt(positive) if degree == 2 else power(positive, 1 / degree))
