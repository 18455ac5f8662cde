"""New arrays, and arrays from other things.

In a shape may stand what `shape` gave: the rows, known only at run time.
"""

import numpy as np

from gpubp.ops.logic import cast
from gpubp.ops.registry import dims, graph_of, is_weak, number, resolved, value
from gpubp.ops.shaping import broadcast_to

FLOAT = "float32"  # of new arrays, where nothing asks for another


def shape(x) -> tuple:
    """The shape of an array; of a symbol, its rows as a symbol, which can be computed with and be part of a shape."""
    return tuple(number(d, x) for d in dims(value(x)))


def full(shape, fill_value, dtype=None):
    """An array filled with a number, float32 by default.

    >>> from gpubp import ops
    >>> ops.full((2,), 7).tolist()
    [7.0, 7.0]
    """
    entries = shape if isinstance(shape, tuple | list) else (shape,)
    return _filled(resolved(entries), fill_value, dtype or FLOAT, graph_of(fill_value, *entries))


def zeros(shape, dtype=None):
    """Zeros, float32 by default."""
    return full(shape, 0, dtype)


def ones(shape, dtype=None):
    """Ones, float32 by default."""
    return full(shape, 1, dtype)


def full_like(x, fill_value, dtype=None):
    """An array of the shape of `x`, and of its dtype by default, filled with a number."""
    x = value(x)
    return _filled(dims(x), fill_value, dtype or x.dtype, graph_of(x, fill_value))


def zeros_like(x, dtype=None):
    """Zeros of the shape of `x`, and of its dtype by default."""
    return full_like(x, 0, dtype)


def ones_like(x, dtype=None):
    """Ones of the shape of `x`, and of its dtype by default."""
    return full_like(x, 1, dtype)


def _filled(shape, fill_value, dtype, graph):
    if graph is None:
        return np.full(shape, fill_value, dtype)
    number = is_weak(fill_value)
    filling = graph.constant(np.dtype(dtype).type(fill_value).item(), dtype) if number else cast(fill_value, dtype)
    return broadcast_to(filling, shape)


def arange(start, stop=None, step=None, dtype=None):
    """The numbers from `start` (default 0) up to, but without, `stop`, by `step` (default 1); int64 or float32."""
    start, stop = (0, start) if stop is None else (start, stop)
    step = 1 if step is None else step
    whole = all(isinstance(x, int | np.integer) for x in (start, stop, step))
    return np.arange(start, stop, step, dtype=np.dtype(dtype or ("int64" if whole else FLOAT)))


def eye(N, M=None, k=0, dtype=None):  # noqa: N803 - as Keras and NumPy call them
    """Ones on the diagonal number `k`, elsewhere zeros: (N, M), by default (N, N); float32 by default."""
    return np.eye(N, M, k, dtype or FLOAT)


def identity(n, dtype=None):
    """The identity matrix, float32 by default."""
    return eye(n, dtype=dtype)


def convert_to_tensor(x, dtype=None):
    """`x` as an array, or the symbol that it is. Floats of Python become float32, ints int64.

    >>> from gpubp import ops
    >>> ops.convert_to_tensor([1.0, 2.0]).dtype
    dtype('float32')
    """
    if graph_of(x) is not None:
        return x if dtype is None else cast(x, dtype)
    array = np.asarray(x)
    own = hasattr(x, "dtype") or array.dtype.kind != "f"
    return array.astype(dtype or (array.dtype if own else FLOAT), copy=False)


def convert_to_numpy(x):
    """An array as one of NumPy's. Raises TypeError for a symbol, which has no value."""
    return np.asarray(x)
