"""Functions of float32 scalars for generated kernels: they inline, and loops over them vectorise.

Each takes numbers of any dtype and returns a float32 (`isnan` and `isfinite`: a bool). NaN, infinities, signed zeros
and denormals give what the NumPy function of that name gives. With fused multiply-adds or without, results are off by
less than 2 ulp (units in the last place) everywhere, sigmoid by less than 2.5.

Written out with +, -, *, /, selection, the sign of a number and reinterpretation of its bits alone, no tables and no
branches, so that the same formulas serve every device. Range reductions follow Cody and Waite, *Software Manual for
the Elementary Functions* (1980).

Coefficients, the highest order first, are minimax for the relative error of the whole function: linear programming on
800 Chebyshev nodes, residuals in 40 digits; rounded to float32 one at a time, the lowest order first, and the others
fitted again after each. The error beside each polynomial is what the rounded coefficients reach.
"""

import math

import numpy as np

from . import intrinsics
from .flags import jit, ordered
from .intrinsics import from_bits, to_bits

ZERO, HALF, ONE, TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)
INF, NAN = np.float32(math.inf), np.float32(math.nan)
SMALLEST_NORMAL = np.float32(2**-126)

# Nearer to 0, expm1(x) and log1p(x) are x: x² / 2 is less than half an ulp of it. Keeps -0, too.
IDENTITY = np.float32(2**-25)

LOG2_E = np.float32(1.44269504)
# ln 2 in two parts; the upper one has 9 significant bits, so that its product with any exponent is exact.
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
# x + 1.5·2^23 ends in the bits of rint(x). Unlike a cast to int, that is defined for NaN as well.
SHIFTER = np.float32(1.5 * 2**23)
SHIFTER_BITS = SHIFTER.view(np.int32)
TWO_THIRDS_BITS = np.float32(2 / 3).view(np.int32)


def _float32(*values):
    return tuple(np.float32(value) for value in values)


# (expm1(r) - r) / r² on |r| <= ln 2 / 2: 2^-26 for expm1, 2^-28 for exp.
EXPM1 = _float32(0.0013869919, 0.008366254, 0.041667443, 0.16666546, 0.49999997)
# (log1p(f) - f) / f² on |f| <= 1/3: 2^-27.
LOG1P = _float32(
    -0.1288004, 0.13984594, -0.121874794, 0.14005734, -0.16680196, 0.20010427, -0.24999806, 0.33333215, -0.5
)
# (tanh(x) - x) / x³ in x² on |x| <= 9/16: 2^-29.
TANH_END = np.float32(9 / 16)
TANH = _float32(-0.006169614, 0.021000376, -0.053835757, 0.13332437, -0.33333313)
# (erf(x) - x) / x in x² on |x| <= 1: 2^-29. (1 - erf(x))^(1/4) in x - 2 on 1 <= x <= 3.93: 2^-30 for erf.
ERF_END = np.float32(1)
ERF = _float32(7.806904e-05, -0.0007997853, 0.005187162, -0.026853347, 0.11283579, -0.37612626, 0.12837917)
ERFC_ROOT = _float32(
    1.1663947e-05,
    -2.0091658e-05,
    -0.00021676368,
    0.00075403415,
    0.0015643839,
    -0.012227417,
    0.006896619,
    0.09913449,
    -0.288862,
    0.2615224,
)


@jit
def cast(v):
    """A number or bool as float32."""
    return np.float32(v)


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
    return np.float32(a) if condition else np.float32(b)


@jit
def abs(x):
    """|x|."""
    return np.fabs(np.float32(x))


@jit
def sign(x):
    """-1, 0 or 1; NaN for NaN."""
    return np.sign(np.float32(x))


@jit
def relu(x):
    """max(x, 0); NaN for NaN."""
    x = np.float32(x)
    return ZERO if x <= ZERO else x


@jit
def maximum(a, b):
    """The larger; NaN if either is."""
    return intrinsics.maximum(np.float32(a), np.float32(b))


@jit
def minimum(a, b):
    """The smaller; NaN if either is."""
    return intrinsics.minimum(np.float32(a), np.float32(b))


@jit
def sqrt(x):
    """√x, correctly rounded; NaN below 0."""
    return np.sqrt(np.float32(x))


@jit
def floor(x):
    """The largest whole number up to x."""
    return np.floor(np.float32(x))


@jit
def ceil(x):
    """The smallest whole number from x on."""
    return np.ceil(np.float32(x))


@jit
def round(x):
    """The nearest whole number; of two as near, the even one."""
    return np.rint(np.float32(x))


@ordered
def floor_divide(a, b):
    """The largest whole number up to a / b."""
    a, b = np.float32(a), np.float32(b)
    if b == ZERO:
        return a / b
    rest = np.fmod(a, b)
    quotient = (a - rest) / b - (ONE if rest != ZERO and (rest < ZERO) != (b < ZERO) else ZERO)
    lower = np.floor(quotient)
    return lower + ONE if quotient - lower > np.float32(0.5) else lower


@ordered
def mod(a, b):
    """What floor_divide leaves of a: it has the sign of b."""
    return np.float32(np.mod(np.float32(a), np.float32(b)))


@jit
def sin(x):
    """Sine of radians, by the C library: not vectorised."""
    return np.sin(np.float32(x))


@jit
def cos(x):
    """Cosine of radians, by the C library: not vectorised."""
    return np.cos(np.float32(x))


# With "afn", LLVM calls a function that no library here has if y was an integer.
@ordered
def power(x, y):
    """x^y, by the C library: not vectorised."""
    return np.float32(x) ** np.float32(y)


@ordered
def _polynomial(x, coefficients):
    """Horner's rule."""
    p = coefficients[0]
    for c in coefficients[1:]:
        p = p * x + c
    return p


@ordered
def _power_of_two(k):
    """2^k for an int32 k from -126 to 127."""
    return from_bits(np.int32((k + 127) << 23))


@ordered
def _reduce(x):
    """(k, r) with x = k·ln 2 + r and |r| <= ln 2 / 2 for |x| < 2^21; k is an int32."""
    shifted = x * LOG2_E + SHIFTER
    k = shifted - SHIFTER
    return np.int32(to_bits(shifted) - SHIFTER_BITS), (x - k * LN2_HIGH) - k * LN2_LOW


@ordered
def _expm1_reduced(r):
    """exp(r) - 1 for |r| <= ln 2 / 2."""
    return r * r * _polynomial(r, EXPM1) + r


@ordered
def exp(x):
    """e^x; inf above 88.72, denormal below -87.33, 0 below -103.97."""
    x = np.float32(x)
    x = np.float32(-104) if x < np.float32(-104) else x
    x = np.float32(89) if x > np.float32(89) else x
    k, r = _reduce(x)
    # In two steps, since 2^k itself overflows at 128 and is no normal number below -126.
    half = np.int32(k >> 1)
    return (ONE + _expm1_reduced(r)) * _power_of_two(half) * _power_of_two(np.int32(k - half))


@ordered
def expm1(x):
    """e^x - 1, accurate near 0."""
    x = np.float32(x)
    clipped = np.float32(-18) if x < np.float32(-18) else x
    clipped = np.float32(89) if clipped > np.float32(89) else clipped
    k, r = _reduce(clipped)
    # Half of the result, since 2^k overflows at 128 where the result does not.
    scale = _power_of_two(np.int32(k - 1))
    y = TWO * (scale * _expm1_reduced(r) + (scale - HALF))
    return x if abs(x) < IDENTITY else y


@ordered
def sigmoid(x):
    """Logistic function, 1 / (1 + e^-x); below 0 as e^x / (1 + e^x), which does not overflow."""
    x = np.float32(x)
    e = exp(-abs(x))
    return (e if x < ZERO else ONE) / (ONE + e)


@ordered
def tanh(x):
    """Hyperbolic tangent, 1 - 2 / (e^2x + 1); ±1 for |x| > 9.01."""
    x = np.float32(x)
    a = abs(x)
    k, r = _reduce(np.float32(20) if a > np.float32(10) else TWO * a)
    scale = _power_of_two(k)
    far = ONE - TWO / (scale * _expm1_reduced(r) + (scale + ONE))
    square = a * a
    near = a * square * _polynomial(square, TANH) + a
    return np.copysign(near if a < TANH_END else far, x)


@ordered
def _decompose(x):
    """(e, m) with x = m·2^e and 2/3 <= m < 4/3 for a normal x > 0; e is an int32."""
    bits = to_bits(x)
    e = np.int32(np.int32(bits - TWO_THIRDS_BITS) >> 23)
    return e, from_bits(np.int32(bits - np.int32(e << 23)))


@ordered
def _log_composed(e, f):
    """log(2^e·(1 + f)) for |f| <= 1/3."""
    return e * LN2_HIGH + (f + (f * f * _polynomial(f, LOG1P) + e * LN2_LOW))


@ordered
def _log_specials(x, y):
    """y, which holds ln x for positive finite x, or what ln x is for the other x."""
    y = y if x < INF else x
    return y if x > ZERO else (-INF if x == ZERO else NAN)


@ordered
def log(x):
    """ln x; -inf at ±0, NaN below."""
    x = np.float32(x)
    denormal = x < SMALLEST_NORMAL
    e, m = _decompose(x * np.float32(2**23) if denormal else x)
    y = _log_composed(np.float32(e) - (np.float32(23) if denormal else ZERO), m - ONE)
    return _log_specials(x, y)


@ordered
def log1p(x):
    """ln(1 + x), accurate near 0; -inf at -1, NaN below."""
    x = np.float32(x)
    u = ONE + x
    e, m = _decompose(u)
    # What rounding took from u matters only where e is small; 2^-e is normal up to 126.
    lost = (x - (u - ONE)) * _power_of_two(np.int32(-min(e, np.int32(64))))
    y = _log_composed(np.float32(e), (m - ONE) + lost)
    return x if abs(x) < IDENTITY else _log_specials(u, y)


@ordered
def softplus(x):
    """ln(1 + e^x), as max(x, 0) + ln(1 + e^-|x|), which does not overflow."""
    x = np.float32(x)
    return relu(x) + log1p(exp(-abs(x)))


@ordered
def logaddexp(a, b):
    """ln(e^a + e^b), as the larger + ln(1 + e^-|a - b|), which does not overflow."""
    a, b = np.float32(a), np.float32(b)
    apart = ZERO if a == b else -abs(a - b)
    return maximum(a, b) + log1p(exp(apart))


@ordered
def erf(x):
    """Error function, 2/√π ∫₀ˣ exp(-t²) dt; ±1 for |x| > 3.93."""
    x = np.float32(x)
    a = abs(x)
    a = np.float32(4) if a > np.float32(4) else a
    square = a * a
    near = a * _polynomial(square, ERF) + a
    root = _polynomial(a - TWO, ERFC_ROOT)
    root_squared = root * root
    far = ONE - root_squared * root_squared
    return np.copysign(near if a < ERF_END else far, x)
