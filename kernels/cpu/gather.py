"""Picks the rows of a batch."""

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.native import checked_index


@jit
def take_rows(ctx, row, source, index, out):
    """out[r] = source[index[r]], converted to the dtype of `out`."""
    dtype = out.dtype.type
    for r in range(out.shape[0]):
        picked = checked_index(ctx, row, index[r], source.shape[0])
        for c in range(out.shape[1]):
            out[r, c] = dtype(source[picked, c])
