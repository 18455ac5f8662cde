"""Matrix products."""

import struct
from contextvars import ContextVar

import numpy as np

from gpubp.ops.registry import dims, register, same_dtype, value
from gpubp.ops.shapes import broadcast, public, size
from gpubp.ops.shaping import broadcast_to, reshape

# What a layer's policy lets the device round the factors of float32 products to, such as "tf32"; None: to nothing.
PRECISION: ContextVar[str | None] = ContextVar("precision", default=None)


def _turned(shape, transposed):
    return (*shape[:-2], *shape[:-3:-1]) if transposed else shape


def _gemm_shape(a, b, ta, tb, precision=None):
    (m, k), (rows, n) = _turned(a, ta)[-2:], _turned(b, tb)[-2:]
    if k != rows:
        raise ValueError(f"matmul of shapes {public((m, k))} and {public((rows, n))}: {k} columns meet {rows} rows")
    return (*broadcast(a[:-2], b[:-2]), m, n)


def _gemm(a, b, ta, tb, precision=None):
    return np.matmul(np.swapaxes(a, -1, -2) if ta else a, np.swapaxes(b, -1, -2) if tb else b)


def _gemm_gradient(dy, y, a, b, ta, tb, **precision):
    return (
        gemm(b, dy, ta=tb, tb=True, **precision) if ta else gemm(dy, b, ta=False, tb=not tb, **precision),
        gemm(dy, a, ta=True, tb=ta, **precision) if tb else gemm(a, dy, ta=not ta, tb=False, **precision),
    )


def _gemm_views(a, b, c, ta, tb, precision=None):
    """Matrices below each other as one."""
    return tuple((size(s[:-1]), s[-1]) for s in (a, b, c))


def _gemm_options(a, b, c, ta, tb, precision=None):
    """m, n, k, leading dimensions, transpositions, alpha and beta as bits, count and strides of a batch."""
    one, zero = (struct.unpack("q", struct.pack("d", x))[0] for x in (1.0, 0.0))
    strides = (0 if s[:-2] in ((), (1,)) else s[-2] * s[-1] for s in (a, b, c))
    k = a[-2] if ta else a[-1]
    return (*c[-2:], k, a[-1], b[-1], c[-1], int(ta), int(tb), one, zero, size(c[:-2]), *strides)


gemm = register(
    "matmul",
    shape=_gemm_shape,
    reference=_gemm,
    gradient=_gemm_gradient,
    dtype=same_dtype,
    kernel="gemm.gemm",
    views=_gemm_views,
    options=_gemm_options,
    examples=(
        (((3, 4), (4, 2)), {"ta": False, "tb": False}),
        (((4, 3), (4, 2)), {"ta": True, "tb": False}),
        (((3, 4), (2, 4)), {"ta": False, "tb": True}),
        (((4, 3), (2, 4)), {"ta": True, "tb": True}),
        (((2, 3, 4), (2, 4, 5)), {"ta": False, "tb": False}),
        (((2, 4, 3), (1, 5, 4)), {"ta": True, "tb": True}),
        (((7, 6), (3, 6, 8)), {"ta": False, "tb": False}),
        (((3, 7, 6), (8, 6)), {"ta": False, "tb": True}),
    ),
)
"""Products of matrices or of as many matrices each, one of which may meet all: leading dimensions are one at most."""


def matmul(x1, x2):
    """The matrix product x1 @ x2, with NumPy's broadcasting of leading dimensions: (..., m, k), (..., k, n).

    A vector on the left is a row, on the right a column, whose dimension of one is taken out of the result.

    Raises:
        ValueError: where shapes do not fit, or for a scalar.
    """
    a, b = value(x1), value(x2)
    if not dims(a) or not dims(b):
        raise ValueError(f"matmul takes (..., m, k) @ (..., k, n); got {public(dims(a))} @ {public(dims(b))}")
    if len(dims(b)) == 1:
        return reshape(matmul(a, reshape(b, (-1, 1))), dims(a)[:-1])
    if len(dims(a)) == 1:
        return reshape(matmul(reshape(a, (1, -1)), b), (*dims(b)[:-2], dims(b)[-1]))
    if len(dims(b)) == 2:
        rows = reshape(a, (-1, dims(a)[-1]))
        return reshape(_product(rows, b, False, False), (*dims(a)[:-1], dims(b)[1]))
    return batched(a, b, False, False)


def batched(a, b, ta, tb):
    """Products of many matrices, one or both sides transposed, with NumPy's broadcasting of leading dimensions."""
    lead = broadcast(dims(a)[:-2], dims(b)[:-2])
    y = _product(_many(a, lead), _many(b, lead), ta, tb)
    return reshape(y, (*lead, *dims(y)[-2:]))


def _product(a, b, ta, tb):
    """A product as precise as the layer that asks for it wants it; its gradients will be so, too."""
    precision = PRECISION.get()
    return gemm(a, b, ta=ta, tb=tb, **({"precision": precision} if precision else {}))


def _many(x, lead):
    """Matrices in one row; one that meets all others alone stays alone."""
    own, matrix = dims(x)[:-2], dims(x)[-2:]
    if size(own) == 1:
        return reshape(x, matrix)
    return reshape(broadcast_to(x, (*lead, *matrix)), (size(lead), *matrix))
