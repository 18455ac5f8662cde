"""Ops that draw random numbers: functions of (seed, stream, step, row, column), so the same on every device."""

import numpy as np

from gpubp.ops.philox import keep_mask, keep_threshold, normal, uniform
from gpubp.ops.registry import register
from gpubp.ops.shapes import size


def _matrix(shape):
    """Rows and columns, as which numbers of any shape are drawn."""
    return (shape[0], size(shape[1:])) if shape else (1, 1)


def _keep(seed, step, shape, rate, stream):
    rows, columns = _matrix(shape)
    return keep_mask(int(seed), stream, int(step), rows, columns, rate).reshape(shape)


def _noise(draw):
    def reference(seed, step, shape, stream, dtype):
        rows, columns = _matrix(shape)
        return draw(int(seed), stream, int(step), rows, columns, dtype).reshape(shape)

    return reference


def _draw(name, **rules):
    return register(
        name,
        shape=lambda seed, step, shape, **attrs: tuple(shape),
        gradient=lambda dy, y, seed, step, **attrs: (None, None),
        common=(),
        kernel=f"random.{name}",
        views=lambda seed, step, out, **attrs: ((1,), (1,), _matrix(out)),
        smooth=False,
        **rules,
    )


random_keep = _draw(
    "random_keep",
    reference=_keep,
    dtype=lambda seed, step, **attrs: np.dtype(bool),
    options=lambda seed, step, out, shape, rate, stream: (stream, keep_threshold(rate)),
    examples=(((np.array(7), np.array(3)), {"shape": (3, 11), "rate": 0.4, "stream": 2}),),
)

random_normal, random_uniform = (
    _draw(
        name,
        reference=_noise(draw),
        dtype=lambda seed, step, dtype, **attrs: np.dtype(dtype),
        options=lambda seed, step, out, shape, stream, dtype: (stream,),
        examples=(
            ((np.array(7), np.array(3)), {"shape": (3, 11), "stream": 2, "dtype": "float32"}),
            ((np.array(-7), np.array(1 << 40)), {"shape": (2, 3, 4), "stream": 0, "dtype": "float64"}),
        ),
    )
    for name, draw in (("random_normal", normal), ("random_uniform", uniform))
)
