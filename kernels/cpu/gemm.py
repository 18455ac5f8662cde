"""Matrix products: by tiles of our own where they are faster, else by the BLAS that SciPy brings.

Those of a few elements (`small`) and of one row (`line`) have kernels of their own. Each has a form that adds a bias to
every row and may take the ReLU. `engine.executors.products` chooses among the kernels.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gpubp.kernels.cpu import tiles
from gpubp.kernels.cpu.flags import inlined, jit, ordered
from gpubp.kernels.cpu.layout import DGEMM, DTILES, OWN, SGEMM, STILES
from gpubp.kernels.cpu.native import call, double

TURNED, AS_IT_IS = ord("T"), ord("N")
I64 = ir.IntType(64)
# BLAS's arguments that are integers of 32 bits, characters or numbers: all go by reference.
BITS = {1: 8, 2: 8, 3: 32, 4: 32, 5: 32, 6: None, 8: 32, 10: 32, 11: None, 13: 32}


@intrinsic
def call_gemm(typingctx, blas, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc):
    """Puts the by-reference arguments on the stack and calls the function at the address `blas`."""

    def codegen(context, builder, sig, args):
        def reference(position):
            value = args[position]
            if BITS[position]:
                value = builder.trunc(value, ir.IntType(BITS[position]))
            return builder.ptrtoint(cgutils.alloca_once_value(builder, value), I64)

        values = [reference(p) if p in BITS else args[p] for p in range(1, 14)]
        kind = ir.FunctionType(ir.VoidType(), [I64] * 13).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), values)
        return context.get_dummy_value()

    i = types.int64
    return types.void(i, i, i, i, i, i, alpha, i, i, i, i, beta, i, i), codegen


@jit
def gemm(ctx, row, a, b, c, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta, count, stride_a, stride_b, stride_c):
    """C = alpha op(A) op(B) + beta C, `count` times. Row-major C = A B is column-major C' = B' A'.

    Strides lead from matrix to matrix, in elements; they are 0 for a matrix that meets all others.
    """
    scale, keep = c.dtype.type(double(alpha)), c.dtype.type(double(beta))
    by_tiles = scale == 1 and (keep == 0 or keep == 1) and _by_tiles(ctx, c, m, n, k, ldb, ta, tb)
    for batch in range(count):
        size = c.itemsize
        left, right = a.ctypes.data + batch * stride_a * size, b.ctypes.data + batch * stride_b * size
        result = c.ctypes.data + batch * stride_c * size
        if by_tiles:
            start = result if keep else 0
            call(_tiles(ctx, c), left, lda, right, ldb, result, ldc, m, n, k, ta, tb, start, ldc * size, 0)
        else:
            call_gemm(
                ctx[SGEMM] if size == 4 else ctx[DGEMM],
                TURNED if tb else AS_IT_IS,
                TURNED if ta else AS_IT_IS,
                n,
                m,
                k,
                scale,
                right,
                ldb,
                left,
                lda,
                keep,
                result,
                ldc,
            )


@jit
def gemm_bias(ctx, row, a, b, bias, c, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta, count, sa, sb, sc, relu):
    """C = op(A) op(B) + bias, a number a column, then its ReLU if `relu` is not 0.

    `alpha` and `count` are 1, and `beta` is 0.
    """
    if _by_tiles(ctx, c, m, n, k, ldb, ta, tb):
        left, right, result = a.ctypes.data, b.ctypes.data, c.ctypes.data
        call(_tiles(ctx, c), left, lda, right, ldb, result, ldc, m, n, k, ta, tb, bias.ctypes.data, 0, relu)
        return
    gemm(ctx, row, a, b, c, m, n, k, lda, ldb, ldc, ta, tb, alpha, beta, count, sa, sb, sc)
    for i in range(m):
        for j in range(n):
            total = c[i, j] + bias[j]
            c[i, j] = 0 if relu and total <= 0 else total


@inlined
def _by_tiles(ctx, c, m, n, k, ldb, ta, tb):
    return ctx[OWN] and tiles.suits(c.itemsize, m, n, k, ldb, ta, tb)


@inlined
def _tiles(ctx, c):
    """The address of `tiles.product` for a dtype."""
    return ctx[STILES] if c.itemsize == 4 else ctx[DTILES]


@jit
def line(ctx, row, a, b, c):
    """c = a B of one row, eight rows of B at a time: B is read once, in the order in which it lies."""
    n, k = c.shape[1], a.shape[1]
    c[0, :] = 0
    whole = k - k % 8
    for p in range(0, whole, 8):
        a0, a1, a2, a3 = a[0, p], a[0, p + 1], a[0, p + 2], a[0, p + 3]
        a4, a5, a6, a7 = a[0, p + 4], a[0, p + 5], a[0, p + 6], a[0, p + 7]
        for j in range(n):
            low = a0 * b[p, j] + a1 * b[p + 1, j] + a2 * b[p + 2, j] + a3 * b[p + 3, j]
            c[0, j] += low + (a4 * b[p + 4, j] + a5 * b[p + 5, j] + a6 * b[p + 6, j] + a7 * b[p + 7, j])
    for p in range(whole, k):
        for j in range(n):
            c[0, j] += a[0, p] * b[p, j]


@jit
def line_bias(ctx, row, a, b, bias, c, relu):
    """c = a B + bias of one row, then its ReLU if `relu` is not 0."""
    line(ctx, row, a, b, c)
    for j in range(c.shape[1]):
        total = c[0, j] + bias[j]
        c[0, j] = 0 if relu and total <= 0 else total


@ordered
def small(ctx, row, a, b, c, m, k, ta, tb, count, stride_a, stride_b):
    """C = op(A) op(B), `count` times, element by element: sums too short for vectors, which only cost to set up.

    Strides lead in rows from matrix to matrix; they are 0 for a matrix that meets all others.
    """
    for batch in range(count):
        left, right = batch * stride_a, batch * stride_b
        for i in range(m):
            for j in range(c.shape[1]):
                total = c.dtype.type(0)
                for p in range(k):
                    x = a[left + p, i] if ta else a[left + i, p]
                    total += x * (b[right + j, p] if tb else b[right + p, j])
                c[batch * m + i, j] = total


@ordered
def small_bias(ctx, row, a, b, bias, c, k, ta, tb, relu):
    """C = op(A) op(B) + bias, a number a column, then its ReLU if `relu` is not 0, element by element."""
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            total = bias[j]
            for p in range(k):
                total += (a[p, i] if ta else a[i, p]) * (b[j, p] if tb else b[p, j])
            c[i, j] = 0 if relu and total <= 0 else total
