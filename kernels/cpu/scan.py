"""Running sums along an axis."""

from gpubp.kernels.cpu.flags import jit


@jit
def cumsum(ctx, row, x, y, reverse):
    """y[o, k] = x[o, 0] + ... + x[o, k], or from the end."""
    n = x.shape[1]
    for o in range(x.shape[0]):
        for k in range(n):
            here = n - 1 - k if reverse else k
            before = here + 1 if reverse else here - 1
            for i in range(x.shape[2]):
                y[o, here, i] = x[o, here, i] if k == 0 else y[o, before, i] + x[o, here, i]
