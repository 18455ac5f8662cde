"""Picks by index: the rows of a batch, elements along an axis."""

import numpy as np

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.intrinsics import prefetch
from gpubp.kernels.cpu.layout import BAD_INDEX
from gpubp.kernels.cpu.native import checked_index, fail

AHEAD = 8  # rows that are fetched before their turn: of rows in no order, processors can't foresee any
FETCHED = 1024  # bytes of such a row at most; the processor goes on by itself where it sees a stream


@jit
def take_rows(ctx, row, source, index, out):
    """out[r] = source[index[r]], converted to the dtype of `out`; the first row for an index that is out of range."""
    dtype, n = out.dtype.type, source.shape[0]
    width = source.itemsize * source.shape[1]
    for r in range(out.shape[0]):
        if r + AHEAD < out.shape[0]:
            later = source.ctypes.data + index[r + AHEAD] * width
            for line in range(0, min(width, FETCHED), 64):
                prefetch(later + line)
        picked = index[r]
        if picked < 0 or picked >= n:
            fail(ctx, row, BAD_INDEX)
            picked = 0
        for c in range(out.shape[1]):
            out[r, c] = dtype(source[picked, c])


@jit
def take_sparse_rows(ctx, row, data, indices, indptr, index, out):
    """out[r] = row index[r] of a CSR matrix, converted to the dtype of `out`; entries out of range are left out."""
    dtype, n = out.dtype.type, indptr.shape[0] - 1
    for r in range(out.shape[0]):
        picked = checked_index(ctx, row, index[r], n)
        out[r] = 0
        for k in range(max(0, indptr[picked]), min(data.shape[0], indptr[picked + 1])):
            out[r, checked_index(ctx, row, np.int64(indices[k]), out.shape[1])] += dtype(data[k])


@jit
def take(ctx, row, x, index, y):
    """y[o, k] = x[o, index[k]], of which each is a line; the first line for an index that is out of range."""
    for o in range(y.shape[0]):
        for k in range(y.shape[1]):
            picked = _counted(ctx, row, index[k], x.shape[1])
            for i in range(y.shape[2]):
                y[o, k, i] = x[o, picked, i]


@jit
def scatter_add(ctx, row, updates, index, y):
    """y = 0, then y[o, index[k]] += updates[o, k], one after the other: the bits do not depend on anything else."""
    for o in range(y.shape[0]):
        y[o] = 0
        for k in range(updates.shape[1]):
            picked = _counted(ctx, row, index[k], y.shape[1])
            for i in range(y.shape[2]):
                y[o, picked, i] += updates[o, k, i]


@jit
def _counted(ctx, row, index, n):
    """An index, negative ones counted from the end; 0 and a failure where it is out of range."""
    index = np.int64(index)
    return checked_index(ctx, row, index + n if index < 0 else index, n)
