"""Activations by name; those of Keras, with its defaults."""

from gpubp import ops
from gpubp.names import lookup
from gpubp.ops import (
    celu,
    elu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    squareplus,
    tanh,
    tanh_shrink,
    threshold,
)
from gpubp.utils import REGISTERED


def linear(x):
    """x itself."""
    return x


def exponential(x):
    """exp(x)."""
    return ops.exp(x)


def gelu(x, approximate=False):
    """x * P(X <= x) for a standard normal X; `approximate`: by a tanh that comes within 0.0005 of it."""
    return ops.gelu(x, approximate)


def relu(x, negative_slope=0.0, max_value=None, threshold=0.0):
    """max(x, 0), and variations of it.

    Arguments:
        x: array.
        negative_slope: of negative_slope * (x - threshold), which is taken below the threshold. Default 0.
        max_value: what no result exceeds; None for no limit. Default None.
        threshold: up to which x counts as low. Default 0.

    >>> from gpubp.activations import relu
    >>> relu([-10.0, -5.0, 0.0, 5.0, 10.0], negative_slope=0.5, max_value=6.0).tolist()
    [-5.0, -2.5, 0.0, 5.0, 6.0]
    """
    if negative_slope == 0 and threshold == 0:
        return ops.relu(x) if max_value is None else ops.minimum(ops.relu(x), max_value)
    high = x if max_value is None else ops.clip(x, 0.0, max_value)
    low = negative_slope * ops.minimum(ops.subtract(x, threshold), 0.0) if negative_slope else 0.0
    return ops.where(ops.greater(x, threshold), high, low)


NAMED = (
    *(celu, elu, exponential, gelu, glu, hard_shrink, hard_sigmoid, hard_silu, hard_tanh, leaky_relu, linear),
    *(log_sigmoid, log_softmax, mish, relu, relu6, selu, sigmoid, silu, soft_shrink, softmax, softplus, softsign),
    *(sparse_plus, sparse_sigmoid, squareplus, tanh, tanh_shrink, threshold),
)
NAMES = {getattr(f, "name", None) or f.__name__: f for f in NAMED}
ALIASES = {"hard_swish": hard_silu, "swish": silu}
# What differs from its namesake only in that it takes no options, or that these have other defaults.
PLAIN = {ops.relu: "relu", ops.exp: "exponential"}


def get(identifier):
    """A function from itself, its name, or None for `linear`. Raises ValueError for unknown names."""
    if identifier is None:
        return linear
    own = {name: x for name, x in REGISTERED.items() if callable(x) and not isinstance(x, type)}
    return identifier if callable(identifier) else lookup("activation", identifier, own | NAMES | ALIASES)


def name_of(function) -> str:
    """The name that `get` finds a function by. Raises ValueError for functions of one's own."""
    for name, known in NAMES.items():
        if known is function:
            return name
    if function in PLAIN:
        return PLAIN[function]
    for name, own in REGISTERED.items():
        if own is function and name not in NAMES | ALIASES:
            return name
    raise ValueError(
        f"the activation {function!r} has no name that a file could keep: "
        "register it with gpubp.utils.register_keras_serializable"
    )


__all__ = ["get", "linear", "name_of", *NAMES]
