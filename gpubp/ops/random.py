"""Ops that draw random numbers: functions of (seed, stream, step, row, column), so the same on every device."""

import numpy as np

from gpubp.ops.philox import keep_mask
from gpubp.ops.registry import register
from gpubp.ops.shapes import size


def _matrix(shape):
    return shape[0], size(shape[1:])


random_keep = register(
    "random_keep",
    shape=lambda seed, step, shape, rate, stream: tuple(shape),
    reference=lambda seed, step, shape, rate, stream: keep_mask(
        int(seed), stream, int(step), *_matrix(shape), rate
    ).reshape(shape),
    gradient=lambda dy, y, seed, step, shape, rate, stream: (None, None),
    dtype=lambda seed, step, shape, rate, stream: np.dtype(bool),
    common=(),
    kernel="random.random_keep",
    views=lambda seed, step, out, shape, rate, stream: ((1,), (1,), _matrix(out)),
    options=lambda seed, step, out, shape, rate, stream: (stream, round(rate * 65536)),
    smooth=False,
)
