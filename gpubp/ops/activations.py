"""Activations that are made of other ops; `relu`, `tanh`, `sigmoid` and `softplus` are ops themselves.

Each is written so that neither it nor its gradient overflows where its limit is finite.
"""

from math import pi, sqrt

from gpubp.ops.elementwise import abs, clip, erf, exp, expm1, log, minimum, relu, sigmoid, softplus, square, tanh
from gpubp.ops.elementwise import sqrt as root
from gpubp.ops.logic import greater, less, where
from gpubp.ops.reductions import shifted_exp
from gpubp.ops.registry import dims, graph_of, value
from gpubp.ops.slicing import split

# Of selu: where these keep the mean of 0 and the variance of 1 of what they get (Klambauer et al., 2017).
SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis. A recorded result remembers its logits, from which losses start."""
    x = value(x)
    e, total, _ = shifted_exp(x, axis)
    y = e / total
    if graph_of(y):
        y.logits = ("softmax", x, axis)
    return y


def log_softmax(x, axis=-1):
    """log(softmax(x)) along an axis."""
    x = value(x)
    _, total, top = shifted_exp(x, axis)
    return x - top - log(total)  # in this order, since of a large x a sum with it would round the logarithm away


def relu6(x):
    """min(max(x, 0), 6)."""
    return minimum(relu(x), 6.0)


def leaky_relu(x, negative_slope=0.2):
    """x where it is positive, else negative_slope * x.

    Source: A. Maas, A. Hannun, A. Ng, Rectifier nonlinearities improve neural network acoustic models, ICML 2013.
    """
    x = value(x)
    return where(greater(x, 0.0), x, x * negative_slope)


def elu(x, alpha=1.0):
    """x where it is positive, else alpha * (exp(x) - 1).

    Source: D.-A. Clevert, T. Unterthiner, S. Hochreiter, Fast and accurate deep network learning by exponential linear
    units, ICLR 2016.
    """
    return where(greater(x, 0.0), x, expm1(minimum(x, 0.0)) * alpha)


def selu(x):
    """scale * elu(x, alpha), with constants under which layers normalise themselves.

    Source: G. Klambauer et al., Self-normalizing neural networks, NIPS 2017.
    """
    return elu(x, SELU_ALPHA) * SELU_SCALE


def celu(x, alpha=1.0):
    """max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0), whose slope has no jump at 0.

    Source: J. Barron, Continuously differentiable exponential linear units, 2017.
    """
    return where(greater(x, 0.0), x, expm1(minimum(x, 0.0) / alpha) * alpha)


def gelu(x, approximate=True):
    """x * P(X <= x) for a standard normal X; by a tanh that comes within 0.0005 of it, unless `approximate` is False.

    Source: D. Hendrycks, K. Gimpel, Gaussian error linear units, 2016.
    """
    x = value(x)
    if approximate:
        return x * (tanh(sqrt(2 / pi) * (x + 0.044715 * x * square(x))) + 1.0) * 0.5
    return x * (erf(x * sqrt(0.5)) + 1.0) * 0.5


def silu(x):
    """x * sigmoid(x).

    Source: P. Ramachandran, B. Zoph, Q. Le, Searching for activation functions, 2017, which calls it swish.
    """
    x = value(x)
    return x * sigmoid(x)


swish = silu


def mish(x):
    """x * tanh(softplus(x)).

    Source: D. Misra, Mish: a self regularized non-monotonic activation function, BMVC 2020.
    """
    x = value(x)
    return x * tanh(softplus(x))


def softsign(x):
    """x / (1 + |x|)."""
    x = value(x)
    return x / (abs(x) + 1.0)


def log_sigmoid(x):
    """log(sigmoid(x)), as -softplus(-x), which does not overflow."""
    return -softplus(-value(x))


def hard_sigmoid(x):
    """x / 6 + 1/2 between 0 and 1: straight lines near the sigmoid."""
    return clip(value(x) * (1 / 6) + 0.5, 0.0, 1.0)


def hard_silu(x):
    """x * hard_sigmoid(x).

    Source: A. Howard et al., Searching for MobileNetV3, ICCV 2019.
    """
    x = value(x)
    return x * hard_sigmoid(x)


hard_swish = hard_silu


def hard_tanh(x):
    """x between -1 and 1."""
    return clip(x, -1.0, 1.0)


def tanh_shrink(x):
    """x - tanh(x)."""
    x = value(x)
    return x - tanh(x)


def hard_shrink(x, threshold=0.5):
    """x where |x| is larger than the threshold, else 0."""
    return where(greater(abs(x), threshold), x, 0.0)


def soft_shrink(x, threshold=0.5):
    """x moved towards 0 by the threshold, and 0 where it would pass it."""
    x = value(x)
    return x - clip(x, -threshold, threshold)


def threshold(x, threshold, default_value):
    """x where it is larger than the threshold, else `default_value`."""
    return where(greater(x, threshold), x, default_value)


def sparse_plus(x):
    """0 up to -1, (x + 1)^2 / 4 up to 1, x beyond: a softplus with a flat end."""
    x = value(x)
    return where(less(x, 1.0), square(relu(x + 1.0)) * 0.25, x)


def sparse_sigmoid(x):
    """(x + 1) / 2 between 0 and 1, the slope of `sparse_plus`."""
    return clip((value(x) + 1.0) * 0.5, 0.0, 1.0)


def squareplus(x, b=4):
    """(x + sqrt(x^2 + b)) / 2.

    Source: J. Barron, Squareplus: a softplus-like algebraic rectifier, 2021.
    """
    x = value(x)
    return (x + root(square(x) + b)) * 0.5


def glu(x, axis=-1):
    """The first half along an axis times the sigmoid of the second. Raises ValueError for an odd number of elements.

    Source: Y. Dauphin et al., Language modeling with gated convolutional networks, ICML 2017.
    """
    x = value(x)
    if dims(x)[axis] % 2:
        raise ValueError(f"glu halves an axis, which must be even; axis {axis} has {dims(x)[axis]} elements")
    kept, gate = split(x, 2, axis)
    return kept * sigmoid(gate)


exponential = exp
