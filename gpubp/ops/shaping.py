"""Ops that change the shape: views of the same bytes, broadcasting, the order of axes."""

import numpy as np

from gpubp.ops.moves import transpose_op
from gpubp.ops.registry import dims, graph_of, register, resolved, same_dtype, value
from gpubp.ops.shapes import Dim, broadcast, normal_axes, normal_axis, public, size


def _reshape_shape(x, shape):
    if size(x) != size(shape):
        raise ValueError(f"cannot reshape {public(x)} to {public(shape)}: the numbers of elements differ")
    return tuple(shape)


_reshape = register(
    "reshape",
    shape=_reshape_shape,
    reference=lambda x, shape: np.reshape(x, shape),
    gradient=lambda dy, y, x, shape: (reshape(dy, x.dims),),
    dtype=same_dtype,
    view=True,
    examples=((((3, 4),), {"shape": (2, 6)}), (((3, 4),), {"shape": (12,)})),
)


def _broadcast_shape(x, shape):
    if broadcast(x, shape) != shape:
        raise ValueError(f"cannot broadcast {public(x)} to {public(shape)}")
    return shape


_broadcast_to = register(
    "broadcast_to",
    shape=_broadcast_shape,
    reference=lambda x, shape: np.broadcast_to(x, shape),
    gradient=lambda dy, y, x, shape: (dy,),
    dtype=same_dtype,
    expression="{0}",
    examples=((((1, 4),), {"shape": (3, 4)}), (((3, 1),), {"shape": (3, 4)})),
)

_iota = register(
    "iota",
    shape=lambda n: (n,),
    reference=lambda n: np.arange(n),
    gradient=lambda dy, y, n: (),
    dtype=lambda n: np.dtype(np.int64),
    common=(),
    expression="{column}",
    smooth=False,
)


def iota(n, like):
    """The int64 numbers 0 to n - 1; recorded where `like` is a symbol."""
    graph = graph_of(like)
    return graph.record(_iota, (), {"n": n}) if graph else np.arange(n)


def reshape(x, newshape):
    """The same elements in another shape; one dimension may be -1. Raises ValueError if the sizes differ."""
    x, shape = value(x), resolved(newshape)
    if -1 in shape:
        shape = tuple(_missing(dims(x), shape) if d == -1 else d for d in shape)
    return x if shape == dims(x) else _reshape(x, shape=shape)


def _missing(old, shape):
    rest = size(tuple(d for d in shape if d != -1))
    if isinstance(rest, Dim):
        return size(old).k // rest.k
    return size(old) // rest


def ravel(x):
    """All elements as a vector."""
    return reshape(x, (-1,))


def broadcast_to(x, shape):
    """`x` repeated to `shape` by NumPy's rules. Raises ValueError where they do not lead there."""
    x, shape = value(x), resolved(shape)
    return x if shape == dims(x) else _broadcast_to(x, shape=shape)


def expand_dims(x, axis):
    """`x` with a dimension of one at `axis`, or at each of several, counted in the result."""
    x = value(x)
    rest = iter(dims(x))
    count = 1 if isinstance(axis, int) else len(axis)
    rank = len(dims(x)) + count
    axes = normal_axes(axis, rank)
    return reshape(x, tuple(1 if d in axes else next(rest) for d in range(rank)))


def squeeze(x, axis=None):
    """`x` without the dimensions at `axis` (an int or several), which must be one; by default without all such."""
    x = value(x)
    shape = dims(x)
    axes = tuple(d for d, n in enumerate(shape) if n == 1) if axis is None else normal_axes(axis, len(shape))
    if any(shape[a] != 1 for a in axes):
        raise ValueError(f"squeeze removes dimensions of one; axis {axis} of shape {public(shape)} is not")
    return reshape(x, tuple(n for d, n in enumerate(shape) if d not in axes))


def transpose(x, axes=None):
    """The axes in the order that `axes`, a permutation of them, gives; by default reversed."""
    x = value(x)
    rank = len(dims(x))
    order = tuple(range(rank))[::-1] if axes is None else tuple(normal_axis(a, rank) for a in axes)
    if sorted(order) != list(range(rank)):
        raise ValueError(f"transpose takes a permutation of {rank} axes; got {axes}")
    return x if order == tuple(range(rank)) else transpose_op(x, axes=order)


def swapaxes(x, axis1, axis2):
    """Two axes exchanged."""
    x = value(x)
    order = list(range(len(dims(x))))
    a, b = normal_axis(axis1, len(order)), normal_axis(axis2, len(order))
    order[a], order[b] = b, a
    return transpose(x, order)


def moveaxis(x, source, destination):
    """Axes (an int or several) moved to other positions; the others stay in their order."""
    x = value(x)
    rank = len(dims(x))
    sources, targets = (
        tuple(normal_axis(a, rank) for a in ((axes,) if isinstance(axes, int) else axes))
        for axes in (source, destination)
    )
    if len(set(sources)) != len(sources) or len(set(targets)) != len(sources) or len(targets) != len(sources):
        raise ValueError(f"moveaxis takes as many sources as destinations, each once; got {source} and {destination}")
    moved = dict(zip(targets, sources, strict=True))
    rest = (d for d in range(rank) if d not in sources)
    return transpose(x, tuple(moved[d] if d in moved else next(rest) for d in range(rank)))


def repeat(x, repeats: int, axis=None):
    """Each element `repeats` times in a row along an axis; by default of the flattened array.

    >>> from gpubp import ops
    >>> ops.repeat([[1, 2]], 2, axis=1).tolist()
    [[1, 1, 2, 2]]
    """
    x = ravel(x) if axis is None else value(x)
    shape = dims(x)
    axis = normal_axis(axis or 0, len(shape))
    upto, after = shape[: axis + 1], shape[axis + 1 :]
    repeated = broadcast_to(reshape(x, (*upto, 1, *after)), (*upto, repeats, *after))
    return reshape(repeated, (*shape[:axis], shape[axis] * repeats, *after))


def tile(x, repeats):
    """The whole array `repeats` times along each axis: an int, or a number for each of the last axes.

    >>> from gpubp import ops
    >>> ops.tile([[1, 2]], (2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    x = value(x)
    times = (repeats,) if isinstance(repeats, int) else tuple(repeats)
    rank = max(len(times), len(dims(x)))
    times, shape = (1,) * (rank - len(times)) + times, (1,) * (rank - len(dims(x))) + dims(x)
    pairs = list(zip(times, shape, strict=True))
    apart = reshape(x, tuple(n for _, d in pairs for n in (1, d)))
    return reshape(broadcast_to(apart, tuple(n for pair in pairs for n in pair)), tuple(d * t for t, d in pairs))
