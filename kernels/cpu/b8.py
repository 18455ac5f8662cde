"""The elementwise functions of booleans."""

from gpubp.kernels.cpu.flags import jit


@jit
def select(condition, a, b):
    return (condition and a) or (not condition and b)


@jit
def cast(x):
    return x != 0
