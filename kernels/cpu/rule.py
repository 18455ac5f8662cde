"""Which products tiles compute, and which are BLAS's: numbers alone, so that Python can ask without Numba, too."""

from gpubp.kernels.cpu.processor import VECTOR, WIDE_VECTORS

LARGE, LARGE_TURNED = 1 << 30, 1 << 27  # multiplications beyond which BLAS's copies pay; the latter if A is transposed
FAR = 4096  # bytes between rows of B from which they fall onto the same few lines of the cache


def suits(size, m, n, k, ldb, ta, tb):
    """Whether tiles compute a product faster than BLAS.

    size: bytes of an element. m, n, k: rows and columns of the result, and what is summed over.
    ldb: elements of a row of B as it is stored. ta, tb: whether a factor is stored as its transpose.
    """
    small = 0 < m * n * k <= (LARGE_TURNED if ta else LARGE)
    return WIDE_VECTORS and small and 2 * n * size >= VECTOR and (tb or ldb * size < FAR)
