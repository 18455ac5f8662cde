"""Optimizers: how variables change from their gradients."""

from gpubp.names import lookup
from gpubp.optimizers.adam import Adam
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.sgd import SGD

CLASSES = {c.__name__: c for c in (Adam, SGD)}
ALIASES = {name.lower(): c for name, c in CLASSES.items()}


def get(identifier) -> Optimizer:
    """An optimizer from itself or its name ("adam"). Raises ValueError for unknown names."""
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        return lookup("optimizer", identifier, ALIASES | CLASSES)()
    raise ValueError(f"an optimizer is a name or an instance of gpubp.optimizers.Optimizer; this is {identifier!r}")


__all__ = ["SGD", "Adam", "Optimizer", "get"]
