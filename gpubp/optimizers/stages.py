"""The stages of an update, each a small function in ops. `Optimizer.advance` composes them."""

import numpy as np

from gpubp import ops
from gpubp.ops.registry import is_weak


def as_dtype(x, dtype):
    """`x` in a dtype; Python's numbers as they are, since they take on the dtype of what they meet."""
    return x if is_weak(x) else ops.cast(x, dtype)


def norm(gradients):
    """The Euclidean norm of all gradients together, added up in float64: sums of millions of squares need it."""
    total = 0.0
    for g in gradients:
        total = total + ops.sum(ops.square(ops.cast(g, np.float64)))
    return ops.sqrt(total)


def limited(factor, length, limit: float):
    """The factor of gradients whose norm is `length`, made smaller where that is over the limit.

    NaN where the norm is, so that what went wrong is seen; an infinite norm shrinks every finite element to 0.
    """
    return factor * (limit / ops.maximum(length, limit))


def decayed(parameter, rate, amount: float | None):
    """The parameter after decoupled weight decay: w - w amount rate."""
    return parameter - parameter * (amount * rate) if amount else parameter


def averaged(average, parameter, updates, momentum: float):
    """The moving average of a parameter. It begins with the parameter after the first update."""
    kept = momentum * ops.cast(ops.greater(updates, 0), parameter.dtype)
    return kept * average + (1.0 - kept) * parameter


def every(n: int, count):
    """Whether n divides an int64 count."""
    return ops.equal(ops.mod(count, n), 0)
