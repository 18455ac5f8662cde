"""Draws the random numbers of a program."""

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.philox import keep_mask, normal, permutation


@jit
def random_keep(ctx, row, seed, step, out, stream, threshold):
    """True where dropout keeps an element."""
    keep_mask(out, seed[0], stream, step[0], threshold)


@jit
def random_normal(ctx, row, seed, step, out, stream):
    """Standard normal numbers."""
    normal(out, seed[0], stream, step[0])


@jit
def shuffle(ctx, row, out, seed, epoch):
    """The order of rows of an epoch."""
    permutation(out, seed, epoch)
