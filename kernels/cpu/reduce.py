"""Reductions that no region could take in: over axes in the middle, or the extremes over rows."""

import numpy as np

from gpubp.kernels.cpu.flags import jit


@jit
def reduce_sum(ctx, row, x, y):
    """y[o, i] = sum of x[o, :, i]."""
    for o in range(x.shape[0]):
        for i in range(x.shape[2]):
            y[o, i] = 0
        for k in range(x.shape[1]):
            for i in range(x.shape[2]):
                y[o, i] += x[o, k, i]


@jit
def reduce_max(ctx, row, x, y):
    """y[o, i] = the largest of x[o, :, i]; NaN where there is one."""
    _extreme(x, y, 1)


@jit
def reduce_min(ctx, row, x, y):
    """y[o, i] = the smallest of x[o, :, i]; NaN where there is one."""
    _extreme(x, y, -1)


@jit
def _extreme(x, y, sign):
    for o in range(x.shape[0]):
        for i in range(x.shape[2]):
            y[o, i] = x[o, 0, i]
        for k in range(1, x.shape[1]):
            for i in range(x.shape[2]):
                v = x[o, k, i]
                further = v > y[o, i] if sign > 0 else v < y[o, i]
                y[o, i] = v if further or np.isnan(v) else y[o, i]
