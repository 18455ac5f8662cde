"""Draws the random numbers of a program."""

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.philox import keep_mask, normal, permute_by_network, permute_by_sort


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
    permute_by_network(out, seed, epoch)


@jit
def shuffle_few(ctx, row, out, scratch, seed, epoch):
    """The order of rows of an epoch of few."""
    permute_by_sort(out, scratch, seed, epoch)
