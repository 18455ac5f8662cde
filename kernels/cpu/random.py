"""Draws the random numbers of a program."""

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.philox import keep_mask, normal, permute_by_network, permute_by_sort, uniform


@jit
def random_keep(ctx, row, seed, step, out, stream, threshold, first=0):
    """True where dropout keeps an element; `first` is the number of the first row."""
    keep_mask(out, seed[0], stream, step[0], threshold, first)


@jit
def random_normal(ctx, row, seed, step, out, stream, first=0):
    """Standard normal numbers; `first` is the number of the first row."""
    normal(out, seed[0], stream, step[0], first)


@jit
def random_uniform(ctx, row, seed, step, out, stream, first=0):
    """Uniform numbers in [0, 1); `first` is the number of the first row."""
    uniform(out, seed[0], stream, step[0], first)


@jit
def shuffle(ctx, row, out, seed, epoch):
    """The order of rows of an epoch."""
    permute_by_network(out, seed, epoch)


@jit
def shuffle_few(ctx, row, out, scratch, seed, epoch):
    """The order of rows of an epoch of few."""
    permute_by_sort(out, scratch, seed, epoch)
