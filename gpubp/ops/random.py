"""Ops that draw random numbers: functions of (seed, stream, step, row, column), so the same on every device."""

import numpy as np

from gpubp.ops.philox import keep_mask, keep_threshold, normal
from gpubp.ops.registry import register
from gpubp.ops.shapes import size


def _matrix(shape):
    """Rows and columns, as which numbers of any shape are drawn."""
    return (shape[0], size(shape[1:])) if shape else (1, 1)


def _draw(name, reference, dtype, options, **rules):
    return register(
        name,
        shape=lambda seed, step, shape, **attrs: tuple(shape),
        reference=lambda seed, step, shape, **attrs: reference(int(seed), int(step), _matrix(shape), **attrs).reshape(
            shape
        ),
        gradient=lambda dy, y, seed, step, **attrs: (None, None),
        dtype=lambda seed, step, **attrs: np.dtype(dtype(**attrs)),
        common=(),
        kernel=f"random.{name}",
        views=lambda seed, step, out, **attrs: ((1,), (1,), _matrix(out)),
        options=lambda seed, step, out, **attrs: options(**attrs),
        smooth=False,
        **rules,
    )


random_keep = _draw(
    "random_keep",
    reference=lambda seed, step, extents, rate, stream: keep_mask(seed, stream, step, *extents, rate),
    dtype=lambda **attrs: bool,
    options=lambda shape, rate, stream: (stream, keep_threshold(rate)),
    examples=(((np.array(7), np.array(3)), {"shape": (3, 11), "rate": 0.4, "stream": 2}),),
)

random_normal = _draw(
    "random_normal",
    reference=lambda seed, step, extents, stream, dtype: normal(seed, stream, step, *extents, dtype),
    dtype=lambda dtype, **attrs: dtype,
    options=lambda shape, stream, dtype: (stream,),
    examples=(
        ((np.array(7), np.array(3)), {"shape": (3, 11), "stream": 2, "dtype": "float32"}),
        ((np.array(-7), np.array(1 << 40)), {"shape": (2, 3, 4), "stream": 0, "dtype": "float64"}),
    ),
)
