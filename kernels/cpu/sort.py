"""The order of elements along an axis, by a heap: no memory is needed but the result's, and no line is slow to sort."""

from gpubp.kernels.cpu.flags import jit


@jit
def argsort(ctx, row, x, y, descending):
    """y[o, :, i] = the indices by which x[o, :, i] rises, or falls; equal elements in their order, NaN the largest."""
    n = x.shape[1]
    for o in range(x.shape[0]):
        for i in range(x.shape[2]):
            line, order = x[o, :, i], y[o, :, i]
            for k in range(n):
                order[k] = k
            for top in range(n // 2 - 1, -1, -1):
                _sift(line, order, top, n, descending)
            for end in range(n - 1, 0, -1):
                order[0], order[end] = order[end], order[0]
                _sift(line, order, 0, end, descending)


@jit
def _sift(line, order, top, end, descending):
    """Moves order[top] down until both of its children come before it."""
    moved = order[top]
    while True:
        child = 2 * top + 1
        if child + 1 < end and _before(line, order[child], order[child + 1], descending):
            child += 1
        if child >= end or not _before(line, moved, order[child], descending):
            break
        order[top] = order[child]
        top = child
    order[top] = moved


@jit
def _before(line, i, j, descending):
    """Whether element i comes before element j."""
    a, b = line[i], line[j]
    if descending:
        a, b = b, a
    nan_a, nan_b = a != a, b != b
    if nan_a or nan_b:
        return nan_b if nan_a != nan_b else i < j
    return a < b or (a == b and i < j)
