"""Picks the rows of a batch."""

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.native import BAD_INDEX, fail


@jit
def take_rows(ctx, row, source, index, out):
    """out[r] = source[index[r]], converted to the dtype of `out`; the first row for an index that is out of range."""
    dtype, n = out.dtype.type, source.shape[0]
    for r in range(out.shape[0]):
        picked = index[r]
        if picked < 0 or picked >= n:
            fail(ctx, row, BAD_INDEX)
            picked = 0
        for c in range(out.shape[1]):
            out[r, c] = dtype(source[picked, c])
