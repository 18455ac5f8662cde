"""Arithmetic and functions of elements."""

import numpy as np

from gpubp.ops.logic import equal, greater, greater_equal, less_equal, where
from gpubp.ops.pointwise import flat, pointwise
from gpubp.ops.registry import Op, graph_of, value

add = pointwise("add", "{0} + {1}", np.add, lambda dy, y, a, b: (dy, dy))
subtract = pointwise("subtract", "{0} - {1}", np.subtract, lambda dy, y, a, b: (dy, -dy))
multiply = pointwise("multiply", "{0} * {1}", np.multiply, lambda dy, y, a, b: (dy * b, dy * a))
divide = pointwise(
    "divide", "{0} / {1}", np.divide, lambda dy, y, a, b: (dy / b, -dy * y / b), floats=True, domain=(0.5, 2.0)
)
true_divide = divide
negative = pointwise("negative", "-{0}", np.negative, lambda dy, y, x: (-dy,))
square = pointwise("square", "{0} * {0}", np.square, lambda dy, y, x: (dy * (2.0 * x),))
# Where a is 0, b's gradient is the limit for b > 0, as TensorFlow gives it; where b is 0, so is a's: the power is 1.
power: Op = pointwise(
    "power",
    "power",
    np.power,
    lambda dy, y, a, b: (
        dy * b * power(a, where(equal(b, 0.0), 1.0, b - 1.0)),
        dy * y * log(where(equal(a, 0.0), 1.0, a)),
    ),
    domain=(0.5, 2.0),
)


def _function(name, reference, gradient, **rules) -> Op:
    """A function of floats, by whose name kernels call it."""
    return pointwise(name, name, reference, gradient, floats=True, **rules)


sqrt = _function("sqrt", np.sqrt, lambda dy, y, x: (dy / (2.0 * y),), domain=(0.5, 2.0))
exp = _function("exp", np.exp, lambda dy, y, x: (dy * y,))
expm1 = _function("expm1", np.expm1, lambda dy, y, x: (dy * (y + 1.0),))
log: Op = _function("log", np.log, lambda dy, y, x: (dy / x,), domain=(0.5, 3.0))
log1p = _function("log1p", np.log1p, lambda dy, y, x: (dy / (1.0 + x),), domain=(-0.5, 2.0))
sin = _function("sin", np.sin, lambda dy, y, x: (dy * cos(x),))
cos: Op = _function("cos", np.cos, lambda dy, y, x: (-dy * sin(x),))
tanh = _function("tanh", np.tanh, lambda dy, y, x: (dy * (1.0 - y * y),))


def _sigmoid(x):
    """1 / (1 + exp(-x)), by whichever form does not overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e).astype(x.dtype) / (1 + e)


def _erf(x):
    from scipy.special import erf as scipy_erf  # SciPy's functions take time to import, and few models need this one

    return scipy_erf(x)


def _logaddexp_gradient(dy, y, a, b):
    """To each its share of the sum; equal infinities, whose difference is not defined, share alike."""
    difference = where(equal(a, b), 0.0, a - b)
    return dy * _sigmoid_op(difference), dy * _sigmoid_op(-difference)


_sigmoid_op = _function("sigmoid", _sigmoid, lambda dy, y, x: (dy * (y * (1.0 - y)),))
softplus = _function("softplus", lambda x: np.logaddexp(x, x.dtype.type(0)), lambda dy, y, x: (dy * _sigmoid_op(x),))
logaddexp = _function("logaddexp", np.logaddexp, _logaddexp_gradient)
erf = _function("erf", _erf, lambda dy, y, x: (dy * (2.0 / np.pi**0.5 * exp(-x * x)),))

relu = pointwise(
    "relu",
    "relu",
    lambda x: np.where(x <= 0, x.dtype.type(0), x),
    lambda dy, y, x: (where(greater(y, 0.0), dy, 0.0),),
    smooth=False,
)
abs = pointwise("abs", "abs", np.abs, lambda dy, y, x: (dy * sign(x),), smooth=False)
absolute = abs
sign: Op = pointwise("sign", "sign", np.sign, flat(1), smooth=False)
maximum = pointwise(
    "maximum",
    "maximum",
    np.maximum,
    lambda dy, y, a, b: (where(greater_equal(a, b), dy, 0.0), where(greater_equal(a, b), 0.0, dy)),
    smooth=False,
)
minimum = pointwise(
    "minimum",
    "minimum",
    np.minimum,
    lambda dy, y, a, b: (where(less_equal(a, b), dy, 0.0), where(less_equal(a, b), 0.0, dy)),
    smooth=False,
)
floor = _function("floor", np.floor, flat(1), smooth=False)
ceil = _function("ceil", np.ceil, flat(1), smooth=False)
_round = pointwise("round", "round", np.rint, flat(1), smooth=False)
floor_divide = pointwise("floor_divide", "floor_divide", np.floor_divide, flat(2), smooth=False, domain=(0.5, 2.0))
mod = pointwise(
    "mod", "mod", np.mod, lambda dy, y, a, b: (dy, -dy * floor_divide(a, b)), smooth=False, domain=(0.5, 2.0)
)


def sigmoid(x):
    """1 / (1 + exp(-x)). A recorded result remembers its logits, from which losses start."""
    y = _sigmoid_op(x)
    if graph_of(y):
        y.logits = ("sigmoid", x, None)
    return y


def clip(x, x_min, x_max):
    """x between two numbers or arrays."""
    return minimum(maximum(x, x_min), x_max)


def reciprocal(x):
    """1 / x."""
    return divide(1.0, x)


def rsqrt(x):
    """1 / sqrt(x)."""
    return reciprocal(sqrt(x))


def round(x, decimals: int = 0):
    """The nearest number of so many decimals; of two as near, the even one. Its gradient is 0."""
    x = value(x)
    if x.dtype.kind in "iub" and decimals >= 0:
        return x
    if decimals < 0:
        return _round(x / 10.0**-decimals) * 10.0**-decimals
    return _round(x * 10.0**decimals) / 10.0**decimals if decimals else _round(x)
