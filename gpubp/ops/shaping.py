"""Ops that change the shape: views of the same bytes, broadcasting, transposition."""

import numpy as np

from gpubp.ops.registry import Op, dims, graph_of, register, same_dtype, value
from gpubp.ops.shapes import Dim, broadcast, public, size


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

_transpose: Op = register(
    "transpose",
    shape=lambda x: x[::-1],
    reference=np.transpose,
    gradient=lambda dy, y, x: (_transpose(dy),),
    dtype=same_dtype,
    kernel="shaping.transpose",
    examples=((((3, 4),), {}),),
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


def reshape(x, shape):
    """The same elements in another shape; one dimension may be -1. Raises ValueError if the sizes differ."""
    x, shape = value(x), tuple(shape)
    if -1 in shape:
        shape = tuple(_missing(dims(x), shape) if d == -1 else d for d in shape)
    return x if shape == dims(x) else _reshape(x, shape=shape)


def _missing(old, shape):
    rest = size(tuple(d for d in shape if d != -1))
    if isinstance(rest, Dim):
        return size(old).k // rest.k
    return size(old) // rest


def broadcast_to(x, shape):
    """`x` repeated to `shape` by NumPy's rules. Raises ValueError where they do not lead there."""
    x, shape = value(x), tuple(shape)
    return x if shape == dims(x) else _broadcast_to(x, shape=shape)


def expand_dims(x, axis):
    """`x` with a dimension of one at `axis`."""
    shape = dims(value(x))
    axis = axis % (len(shape) + 1)
    return reshape(x, (*shape[:axis], 1, *shape[axis:]))


def squeeze(x, axis):
    """`x` without the dimension at `axis`, which must be one."""
    shape = dims(value(x))
    axis = axis % len(shape)
    return reshape(x, shape[:axis] + shape[axis + 1 :])


def transpose(x):
    """The axes in reverse order. Raises ValueError while recording anything but a matrix."""
    x = value(x)
    if graph_of(x) and len(dims(x)) != 2:
        raise ValueError(f"transpose takes a matrix while recording; this has shape {public(dims(x))}")
    return _transpose(x)


def arange(n: int, like=None):
    """The int64 numbers 0 to n - 1; recorded where `like` is a symbol."""
    graph = graph_of(like)
    return graph.record(_iota, (), {"n": n}) if graph else np.arange(n)
