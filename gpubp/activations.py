"""Activations by name."""

from gpubp.names import lookup
from gpubp.ops import relu, sigmoid, softmax, tanh


def linear(x):
    """x itself."""
    return x


NAMES = {"linear": linear, "relu": relu, "sigmoid": sigmoid, "softmax": softmax, "tanh": tanh}


def get(identifier):
    """A function from itself, its name, or None for `linear`. Raises ValueError for unknown names."""
    if identifier is None:
        return linear
    return identifier if callable(identifier) else lookup("activation", identifier, NAMES)


def name_of(function) -> str:
    """The name that `get` finds a function by. Raises ValueError for functions of one's own."""
    for name, known in NAMES.items():
        if known is function:
            return name
    raise ValueError(f"the activation {function!r} has no name that a file could keep")


__all__ = ["get", "linear", "name_of", "relu", "sigmoid", "softmax", "tanh"]
