"""Moves elements to other places.

A walk over a flat array is told by an offset and, for each dimension, an extent and a stride; its last two dimensions
are the rows and columns of a matrix, those before them number the matrices.
"""

import numpy as np

from gpubp.kernels.cpu.flags import jit

TILE = 16


@jit
def read_walk(ctx, row, x, y, offset, *walk):
    """y[matrix, row, column] = the elements of x, a flat array, along a walk."""
    down, along = walk[len(walk) - 2], walk[len(walk) - 1]
    for o in range(y.shape[0]):
        first = offset + _begin(o, walk)
        if along == 1:
            for i in range(y.shape[1]):
                line = x[first + i * down : first + i * down + y.shape[2]]
                for j in range(y.shape[2]):
                    y[o, i, j] = line[j]
            continue
        for i0, j0 in _tiles(y.shape[1], y.shape[2]):
            for i in range(i0, min(i0 + TILE, y.shape[1])):
                for j in range(j0, min(j0 + TILE, y.shape[2])):
                    y[o, i, j] = x[np.uint64(first + i * down + j * along)]


@jit
def write_walk(ctx, row, x, y, offset, *walk):
    """y, a flat array, = zeros, and along a walk x[matrix, row, column]."""
    down, along = walk[len(walk) - 2], walk[len(walk) - 1]
    y[:] = 0
    for o in range(x.shape[0]):
        first = offset + _begin(o, walk)
        for i in range(x.shape[1]):
            for j in range(x.shape[2]):
                y[np.uint64(first + i * down + j * along)] = x[o, i, j]


@jit
def _begin(matrix, walk):
    """Where a matrix of a walk begins, from the offset."""
    rank, begin = len(walk) // 2, 0
    for d in range(rank - 3, -1, -1):
        begin += matrix % walk[d] * walk[rank + d]
        matrix //= walk[d]
    return begin


@jit
def _tiles(rows, columns):
    """The corners of tiles of a matrix, within which both sides of a transposition stay in cache."""
    for i in range(0, rows, TILE):
        for j in range(0, columns, TILE):
            yield i, j


@jit
def concatenate(ctx, row, *arrays):
    """The last array, [outer, inner], = the others side by side."""
    y, begin = arrays[len(arrays) - 1], 0
    for k in range(len(arrays) - 1):
        x = arrays[k]
        for o in range(x.shape[0]):
            line = y[o, begin : begin + x.shape[1]]
            for i in range(x.shape[1]):
                line[i] = x[o, i]
        begin += x.shape[1]
