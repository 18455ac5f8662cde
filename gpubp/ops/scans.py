"""Running sums."""

import numpy as np

from gpubp.ops.logic import cast
from gpubp.ops.registry import Op, dims, register, same_dtype, value
from gpubp.ops.shapes import normal_axis, size
from gpubp.ops.shaping import ravel


def lines(shape, axis):
    """[outer, n, inner]: the axis between what stands before and after it."""
    return size(shape[:axis]), shape[axis], size(shape[axis + 1 :])


def _running(x, axis, reverse):
    turned = np.flip(x, axis) if reverse else x
    sums = np.cumsum(turned, axis, dtype=x.dtype)
    return np.flip(sums, axis) if reverse else sums


_cumsum: Op = register(
    "cumsum",
    shape=lambda x, axis, reverse: x,
    reference=_running,
    gradient=lambda dy, y, x, axis, reverse: (_cumsum(dy, axis=axis, reverse=not reverse),),
    dtype=same_dtype,
    kernel="scan.cumsum",
    views=lambda x, y, axis, reverse: (lines(x, axis), lines(y, axis)),
    options=lambda x, y, axis, reverse: (int(reverse),),
    examples=(
        (((7,),), {"axis": 0, "reverse": False}),
        (((3, 5),), {"axis": 1, "reverse": True}),
        (((2, 3, 4),), {"axis": 1, "reverse": False}),
    ),
)


def cumsum(x, axis=None, dtype=None):
    """The sum of each element and those before it along an axis (default: of the flattened array).

    Integers and booleans are added up in int64.

    >>> from gpubp import ops
    >>> ops.cumsum([1, 2, 3]).tolist()
    [1, 3, 6]
    """
    x = ravel(x) if axis is None else value(x)
    x = cast(x, dtype or (x.dtype if x.dtype.kind == "f" else np.int64))
    return _cumsum(x, axis=normal_axis(axis or 0, len(dims(x))), reverse=False)
