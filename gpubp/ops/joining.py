"""Arrays put together."""

from gpubp.ops.moves import concatenate_op
from gpubp.ops.registry import dims, value
from gpubp.ops.shapes import normal_axis
from gpubp.ops.shaping import expand_dims


def concatenate(xs, axis=0):
    """Arrays one after the other along an axis; their shapes are equal but for it. Raises ValueError otherwise.

    >>> from gpubp import ops
    >>> ops.concatenate([[1, 2], [3]]).tolist()
    [1, 2, 3]
    """
    xs = [value(x) for x in xs]
    if not xs or not dims(xs[0]):
        raise ValueError("concatenate takes one or more arrays of one or more dimensions")
    axis = normal_axis(axis, len(dims(xs[0])))
    return concatenate_op(*xs, axis=axis) if len(xs) > 1 else xs[0]


def stack(x, axis=0):
    """Arrays of one shape side by side along a new axis."""
    xs = [value(one) for one in x]
    if not xs:
        raise ValueError("stack takes one or more arrays")
    axis = normal_axis(axis, len(dims(xs[0])) + 1)
    return concatenate([expand_dims(one, axis) for one in xs], axis)
