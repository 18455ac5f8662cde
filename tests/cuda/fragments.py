"""Products by tensor cores of matrices for which every wrong place of an element shows: their elements are exact."""

import ml_dtypes
import numpy as np

from gpubp.kernels.cuda import source
from gpubp.kernels.cuda.on_chip import distance

EXTENTS = [(16, 8, 16), (32, 24, 48), (64, 64, 64), (16, 64, 128)]  # rows, columns of the result, columns of the left
KERNEL = """
extern "C" __global__ void __launch_bounds__(256, 1) fragments(
    bf16* a, bf16* b, bf16* turned, bf16* rows, float* c, float* d, float* e) {{
  __shared__ __align__(16) bf16 left[{m} * {k_ld}], right[{k} * {n_ld}], other[{n} * {k_ld}], beside[{m} * {n_ld}];
  bring<{k}, {k_ld}>(left, a, {m});
  bring<{n}, {n_ld}>(right, b, {k});
  bring<{k}, {k_ld}>(other, turned, {n});
  bring<{n}, {n_ld}>(beside, rows, {m});
  __syncthreads();
  mma_product<{m}, {n}, {k}, false, {k_ld}, {n_ld}, {n}>(left, right, c);
  mma_product<{m}, {n}, {k}, true, {k_ld}, {k_ld}, {n}>(left, other, d);
  MmaGradient<{k}, {n}> sum;
  sum.add<{k_ld}, {n_ld}>(left, beside, {m});
  sum.store(e);
}}
"""


def one_hot(m, n):
    """Zeros and, in each row, a one in a column of its own as long as there are columns."""
    return np.eye(m, n, k=3) + np.eye(m, n, k=3 - n)


def integers(m, n):
    return np.random.default_rng(m + n).integers(-8, 9, (m, n)).astype(np.float64)


def factors(extents, left):
    """A left factor, made by `left`; a right one; one stored as its transpose; one with as many rows as the left."""
    m, n, k = extents
    return left(m, k), integers(k, n), integers(n, k), integers(m, n)


def expected(extents, left):
    """Both products, and the sum over the rows that is a gradient."""
    a, b, turned, rows = factors(extents, left)
    return [a @ b, a @ turned.T, a.T @ rows]


def found(device, extents, left):
    """The same by a device's tensor cores."""
    m, n, k = extents
    sizes = {"m": m, "n": n, "k": k, "n_ld": distance("bfloat16", n), "k_ld": distance("bfloat16", k)}
    kernel = device.load(source.compose(["narrow.cu"], [KERNEL.format(**sizes)]), ["fragments"])["fragments"]
    given = [device.upload(x.astype(ml_dtypes.bfloat16).view(np.uint16)) for x in factors(extents, left)]
    made = [device.upload(np.full(shape, np.nan, np.float32)) for shape in ((m, n), (m, n), (k, n))]
    device.launch(kernel, (1, 1, 1), (256, 1, 1), given + made)
    return [device.download(x) for x in made]
