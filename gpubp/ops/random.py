"""Ops that draw random numbers: functions of (seed, stream, step, row, column), so the same on every device."""

import numpy as np

from gpubp.ops.philox import keep_mask, keep_threshold
from gpubp.ops.registry import register
from gpubp.ops.shapes import size


def _matrix(shape):
    """Rows and columns, as which masks of any shape are drawn."""
    return shape[0], size(shape[1:])


def _keep(seed, step, shape, rate, stream):
    rows, columns = _matrix(shape)
    return keep_mask(int(seed), stream, int(step), rows, columns, rate).reshape(shape)


random_keep = register(
    "random_keep",
    shape=lambda seed, step, shape, rate, stream: tuple(shape),
    reference=_keep,
    gradient=lambda dy, y, seed, step, shape, rate, stream: (None, None),
    dtype=lambda seed, step, shape, rate, stream: np.dtype(bool),
    common=(),
    kernel="random.random_keep",
    views=lambda seed, step, out, shape, rate, stream: ((1,), (1,), _matrix(out)),
    options=lambda seed, step, out, shape, rate, stream: (stream, keep_threshold(rate)),
    smooth=False,
    examples=(((np.array(7), np.array(3)), {"shape": (3, 11), "rate": 0.4, "stream": 2}),),
)
