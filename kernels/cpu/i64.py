"""The elementwise functions of integers, by the names of those of floats."""

import numpy as np

from gpubp.kernels.cpu.flags import jit


@jit
def select(condition, a, b):
    return a if condition else b


@jit
def maximum(a, b):
    return a if a > b else b


@jit
def minimum(a, b):
    return a if a < b else b


@jit
def abs(x):
    return -x if x < 0 else x


@jit
def sign(x):
    return 1 if x > 0 else (-1 if x < 0 else 0)


@jit
def relu(x):
    return x if x > 0 else 0


@jit
def isnan(x):
    return False


@jit
def isinf(x):
    return False


@jit
def isfinite(x):
    return True


@jit
def cast(x):
    return np.int64(x)


@jit
def power(a, b):
    return np.int64(a) ** np.int64(b)


@jit
def floor_divide(a, b):
    return a // b


@jit
def mod(a, b):
    return a % b
