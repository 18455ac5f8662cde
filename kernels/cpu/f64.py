"""Functions of float64 scalars for generated kernels: the C library's, for checking rather than for speed.

The names of `f32`. Each takes numbers of any dtype and returns a float64 (`isnan` and `isfinite`: a bool).
"""

import math

import numpy as np

from . import intrinsics
from .flags import jit, ordered

ZERO, ONE = np.float64(0), np.float64(1)


@jit
def cast(v):
    """A number or bool as float64."""
    return np.float64(v)


@jit
def isnan(v):
    """Whether v is NaN."""
    return np.isnan(v)


@jit
def isfinite(v):
    """Whether v is neither infinite nor NaN. Not by v - v, as np.isfinite: of a sum "reassoc" makes that a plain 0."""
    return np.fabs(v) < np.inf


@jit
def isinf(v):
    """Whether v is infinite."""
    return np.isinf(v)


@jit
def select(condition, a, b):
    """`a` where the condition holds, else `b`."""
    return np.float64(a) if condition else np.float64(b)


@jit
def abs(x):
    """|x|."""
    return np.fabs(np.float64(x))


@jit
def sign(x):
    """-1, 0 or 1; NaN for NaN."""
    return np.sign(np.float64(x))


@jit
def relu(x):
    """max(x, 0); NaN for NaN."""
    x = np.float64(x)
    return ZERO if x <= ZERO else x


@jit
def maximum(a, b):
    """The larger; NaN if either is."""
    return intrinsics.maximum(np.float64(a), np.float64(b))


@jit
def minimum(a, b):
    """The smaller; NaN if either is."""
    return intrinsics.minimum(np.float64(a), np.float64(b))


@jit
def sqrt(x):
    """√x, correctly rounded; NaN below 0."""
    return np.sqrt(np.float64(x))


@jit
def floor(x):
    """The largest whole number up to x."""
    return np.floor(np.float64(x))


@jit
def ceil(x):
    """The smallest whole number from x on."""
    return np.ceil(np.float64(x))


@jit
def round(x):
    """The nearest whole number; of two as near, the even one."""
    return np.rint(np.float64(x))


@ordered
def floor_divide(a, b):
    """The largest whole number up to a / b."""
    a, b = np.float64(a), np.float64(b)
    if b == ZERO:
        return a / b
    rest = np.fmod(a, b)
    quotient = (a - rest) / b - (ONE if rest != ZERO and (rest < ZERO) != (b < ZERO) else ZERO)
    lower = np.floor(quotient)
    return lower + ONE if quotient - lower > np.float64(0.5) else lower


@ordered
def mod(a, b):
    """What floor_divide leaves of a: it has the sign of b."""
    return np.float64(np.mod(np.float64(a), np.float64(b)))


@jit
def sin(x):
    """Sine of radians."""
    return np.sin(np.float64(x))


@jit
def cos(x):
    """Cosine of radians."""
    return np.cos(np.float64(x))


@ordered
def power(x, y):
    """x^y."""
    return np.float64(x) ** np.float64(y)


@jit
def exp(x):
    """e^x."""
    return np.exp(np.float64(x))


@jit
def expm1(x):
    """e^x - 1, accurate near 0."""
    return np.expm1(np.float64(x))


@jit
def sigmoid(x):
    """Logistic function, 1 / (1 + e^-x); below 0 as e^x / (1 + e^x), which does not overflow."""
    x = np.float64(x)
    e = np.exp(-abs(x))
    return (e if x < ZERO else ONE) / (ONE + e)


@jit
def tanh(x):
    """Hyperbolic tangent."""
    return np.tanh(np.float64(x))


@jit
def log(x):
    """ln x; -inf at ±0, NaN below."""
    return np.log(np.float64(x))


@jit
def log1p(x):
    """ln(1 + x), accurate near 0; -inf at -1, NaN below."""
    return np.log1p(np.float64(x))


@jit
def softplus(x):
    """ln(1 + e^x), as max(x, 0) + ln(1 + e^-|x|), which does not overflow."""
    x = np.float64(x)
    return relu(x) + log1p(exp(-abs(x)))


@jit
def logaddexp(a, b):
    """ln(e^a + e^b), as the larger + ln(1 + e^-|a - b|), which does not overflow."""
    a, b = np.float64(a), np.float64(b)
    apart = ZERO if a == b else -abs(a - b)
    return maximum(a, b) + log1p(exp(apart))


@jit
def erf(x):
    """Error function, 2/√π ∫₀ˣ exp(-t²) dt."""
    return math.erf(np.float64(x))
