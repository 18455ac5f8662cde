"""Matrix products."""

import struct

from gpubp.ops.registry import dims, register, same_dtype, value
from gpubp.ops.shapes import public
from gpubp.ops.shaping import reshape


def _matmul_shape(a, b, ta, tb):
    (m, k), (rows, n) = a[::-1] if ta else a, b[::-1] if tb else b
    if k != rows:
        raise ValueError(f"matmul of shapes {public((m, k))} and {public((rows, n))}: {k} columns meet {rows} rows")
    return m, n


def _matmul_gradient(dy, y, a, b, ta, tb):
    return (
        gemm(b, dy, ta=tb, tb=True) if ta else gemm(dy, b, ta=False, tb=not tb),
        gemm(dy, a, ta=True, tb=ta) if tb else gemm(a, dy, ta=not ta, tb=False),
    )


def _gemm_options(a, b, c, ta, tb):
    """m, n, k, leading dimensions, transpositions, alpha and beta as bits, count and strides of a batch."""
    one, zero = (struct.unpack("q", struct.pack("d", x))[0] for x in (1.0, 0.0))
    k = a[0] if ta else a[1]
    return (*c, k, a[1], b[1], c[1], int(ta), int(tb), one, zero, 1, 0, 0, 0)


gemm = register(
    "matmul",
    shape=_matmul_shape,
    reference=lambda a, b, ta, tb: (a.T if ta else a) @ (b.T if tb else b),
    gradient=_matmul_gradient,
    dtype=same_dtype,
    kernel="gemm.gemm",
    options=_gemm_options,
    examples=(
        (((3, 4), (4, 2)), {"ta": False, "tb": False}),
        (((4, 3), (4, 2)), {"ta": True, "tb": False}),
        (((3, 4), (2, 4)), {"ta": False, "tb": True}),
        (((4, 3), (2, 4)), {"ta": True, "tb": True}),
    ),
)


def matmul(a, b):
    """The matrix product a @ b: a (..., k), b (k, n) -> (..., n). Raises ValueError where the shapes do not fit."""
    a, b = value(a), value(b)
    if len(dims(b)) != 2 or len(dims(a)) < 1:
        raise ValueError(f"matmul takes (..., k) @ (k, n); got {public(dims(a))} @ {public(dims(b))}")
    rows = reshape(a, (-1, dims(a)[-1]))
    return reshape(gemm(rows, b, ta=False, tb=False), (*dims(a)[:-1], dims(b)[1]))


def dot(a, b):
    """The product of two vectors, or of matrices as `matmul`."""
    a, b = value(a), value(b)
    if len(dims(b)) == 1:
        return reshape(matmul(a, reshape(b, (-1, 1))), dims(a)[:-1])
    return matmul(a, b)
