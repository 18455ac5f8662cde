"""Moves elements to other places."""

from gpubp.kernels.cpu.flags import jit

TILE = 16


@jit
def transpose(ctx, row, x, y):
    """y = x^T, by tiles, so that both are read and written along cache lines."""
    for i0 in range(0, x.shape[0], TILE):
        for j0 in range(0, x.shape[1], TILE):
            for i in range(i0, min(i0 + TILE, x.shape[0])):
                for j in range(j0, min(j0 + TILE, x.shape[1])):
                    y[j, i] = x[i, j]
