"""Ops that compute each element on its own, with NumPy's broadcasting.

Gradients use the output where they can, so that the input need not be kept; they have the shape of the output, and
differentiation adds up what broadcasting had repeated.
"""

import numpy as np

from gpubp.ops.registry import Op, graph_of, register, same_dtype
from gpubp.ops.shapes import broadcast


def elementwise(name, expression, reference, gradient, dtype=same_dtype, **rules) -> Op:
    return register(
        name,
        shape=lambda *shapes, **attrs: broadcast(*shapes),
        reference=reference,
        gradient=gradient,
        dtype=dtype,
        expression=expression,
        **rules,
    )


def _bool(*dtypes, **attrs):
    return np.dtype(bool)


def _flat(count):
    """The gradient of what is constant wherever it is differentiable."""
    return lambda dy, y, *inputs, **attrs: (None,) * count


def _choose(condition, a, b):
    return where(condition, a, b)


add = elementwise("add", "{0} + {1}", np.add, lambda dy, y, a, b: (dy, dy))
subtract = elementwise("subtract", "{0} - {1}", np.subtract, lambda dy, y, a, b: (dy, -dy))
multiply = elementwise("multiply", "{0} * {1}", np.multiply, lambda dy, y, a, b: (dy * b, dy * a))
divide = elementwise("divide", "{0} / {1}", np.divide, lambda dy, y, a, b: (dy / b, -dy * y / b), domain=(0.5, 2.0))
negative = elementwise("negative", "-{0}", np.negative, lambda dy, y, x: (-dy,))
square = elementwise("square", "{0} * {0}", np.square, lambda dy, y, x: (dy * (2.0 * x),))
sqrt = elementwise("sqrt", "sqrt", np.sqrt, lambda dy, y, x: (dy / (2.0 * y),), domain=(0.5, 2.0))
exp = elementwise("exp", "exp", np.exp, lambda dy, y, x: (dy * y,))
expm1 = elementwise("expm1", "expm1", np.expm1, lambda dy, y, x: (dy * (y + 1.0),))
log = elementwise("log", "log", np.log, lambda dy, y, x: (dy / x,), domain=(0.5, 3.0))
log1p = elementwise("log1p", "log1p", np.log1p, lambda dy, y, x: (dy / (1.0 + x),), domain=(-0.5, 2.0))
sin = elementwise("sin", "sin", np.sin, lambda dy, y, x: (dy * cos(x),))
cos: Op = elementwise("cos", "cos", np.cos, lambda dy, y, x: (-dy * sin(x),))
tanh = elementwise("tanh", "tanh", np.tanh, lambda dy, y, x: (dy * (1.0 - y * y),))
power: Op = elementwise(
    "power",
    "power",
    np.power,
    lambda dy, y, a, b: (dy * b * power(a, b - 1.0), dy * y * log(a)),
    domain=(0.5, 2.0),
)


def _sigmoid(x):
    """1 / (1 + exp(-x)), by whichever form does not overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, e).astype(x.dtype) / (1 + e)


def _erf(x):
    from scipy.special import erf as scipy_erf  # SciPy's functions take time to import, and few models need this one

    return scipy_erf(x)


_sigmoid_op = elementwise("sigmoid", "sigmoid", _sigmoid, lambda dy, y, x: (dy * (y * (1.0 - y)),))
softplus = elementwise(
    "softplus", "softplus", lambda x: np.logaddexp(x, x.dtype.type(0)), lambda dy, y, x: (dy * sigmoid(x),)
)
erf = elementwise("erf", "erf", _erf, lambda dy, y, x: (dy * (2.0 / np.pi**0.5 * exp(-x * x)),))
relu = elementwise(
    "relu",
    "relu",
    lambda x: np.where(x <= 0, x.dtype.type(0), x),
    lambda dy, y, x: (_choose(greater(y, 0.0), dy, 0.0),),
    smooth=False,
)
abs = elementwise("abs", "abs", np.abs, lambda dy, y, x: (dy * sign(x),), smooth=False)
sign: Op = elementwise("sign", "sign", np.sign, _flat(1), smooth=False)
maximum = elementwise(
    "maximum",
    "maximum",
    np.maximum,
    lambda dy, y, a, b: (_choose(greater_equal(a, b), dy, 0.0), _choose(greater_equal(a, b), 0.0, dy)),
    smooth=False,
)
minimum = elementwise(
    "minimum",
    "minimum",
    np.minimum,
    lambda dy, y, a, b: (_choose(less_equal(a, b), dy, 0.0), _choose(less_equal(a, b), 0.0, dy)),
    smooth=False,
)

greater: Op = elementwise("greater", "{0} > {1}", np.greater, _flat(2), _bool, smooth=False)
greater_equal: Op = elementwise("greater_equal", "{0} >= {1}", np.greater_equal, _flat(2), _bool, smooth=False)
less = elementwise("less", "{0} < {1}", np.less, _flat(2), _bool, smooth=False)
less_equal: Op = elementwise("less_equal", "{0} <= {1}", np.less_equal, _flat(2), _bool, smooth=False)
equal = elementwise("equal", "{0} == {1}", np.equal, _flat(2), _bool, smooth=False)
not_equal = elementwise("not_equal", "{0} != {1}", np.not_equal, _flat(2), _bool, smooth=False)
_TRUTHS: tuple = (((np.array([[False], [True]]), np.array([False, True])), {}),)
logical_and = elementwise("logical_and", "{0} & {1}", np.logical_and, _flat(2), _bool, smooth=False, examples=_TRUTHS)
logical_or = elementwise("logical_or", "{0} | {1}", np.logical_or, _flat(2), _bool, smooth=False, examples=_TRUTHS)
isnan = elementwise("isnan", "isnan", np.isnan, _flat(1), _bool, smooth=False)
isfinite = elementwise("isfinite", "isfinite", np.isfinite, _flat(1), _bool, smooth=False)

where = elementwise(
    "where",
    "select",
    np.where,
    lambda dy, y, condition, a, b: (None, _choose(condition, dy, 0.0), _choose(condition, 0.0, dy)),
    dtype=lambda condition, a, b: a,
    common=(1, 2),
    smooth=False,
    examples=(
        ((np.array([True, False, True]), (2, 3), (2, 1)), {}),
        ((np.array([[True], [False]]), (3,), (2, 3)), {}),
    ),
)

_cast = elementwise(
    "cast",
    "cast",
    lambda x, dtype: x.astype(dtype),
    lambda dy, y, x, dtype: (cast(dy, x.dtype) if np.dtype(dtype).kind == "f" and x.dtype.kind == "f" else None,),
    dtype=lambda x, dtype: np.dtype(dtype),
    common=(),
    examples=((((3, 4),), {"dtype": "float64"}),),
)
stop_gradient = register(
    "stop_gradient",
    shape=lambda x: x,
    reference=lambda x: x,
    gradient=_flat(1),
    dtype=same_dtype,
    view=True,
    smooth=False,
)


def cast(x, dtype):
    """`x` in another dtype; itself if it has that dtype already."""
    dtype = np.dtype(dtype)
    return x if getattr(x, "dtype", None) == dtype else _cast(x, dtype=dtype.name)


def sigmoid(x):
    """1 / (1 + exp(-x)). A recorded result remembers its logits, from which losses start."""
    y = _sigmoid_op(x)
    if graph_of(y):
        y.logits = ("sigmoid", x, None)
    return y


def clip(x, low, high):
    """x between two numbers."""
    return minimum(maximum(x, low), high)


def reciprocal(x):
    """1 / x."""
    return 1.0 / x
