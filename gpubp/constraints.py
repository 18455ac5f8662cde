"""Constraints: functions over `gpubp.ops` that bring a weight back to where it may be after each update."""

from gpubp import ops
from gpubp.config import epsilon
from gpubp.names import lookup


class Constraint:
    """Base of constraints: subclasses define `__call__(w)`, in ops, with an array of the same shape."""

    def __call__(self, w):
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict:
        """The arguments that make an equal constraint."""
        return {}


class NonNeg(Constraint):
    """max(w, 0). Source: https://keras.io/api/layers/constraints"""

    def __call__(self, w):
        return ops.relu(w)


class MaxNorm(Constraint):
    """w, scaled down where its norm along an axis is above a bound: w clip(|w|, 0, m) / (epsilon + |w|).

    Arguments:
        max_value: float, the bound. Default 2.
        axis: int or tuple of ints; along axis 0 of a Dense kernel (inputs, units) lie the weights of a unit. Default 0.

    Source: https://keras.io/api/layers/constraints
    """

    def __init__(self, max_value=2, axis=0):
        self.max_value, self.axis = max_value, axis

    def __call__(self, w):
        norm = ops.sqrt(ops.sum(ops.square(w), self.axis, keepdims=True))
        return w * (ops.clip(norm, 0.0, float(self.max_value)) / (epsilon() + norm))

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(Constraint):
    """w / (epsilon + |w|), the norm taken along an axis.

    Arguments:
        axis: int or tuple of ints. Default 0.

    Source: https://keras.io/api/layers/constraints
    """

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        return w / (epsilon() + ops.sqrt(ops.sum(ops.square(w), self.axis, keepdims=True)))

    def get_config(self):
        return {"axis": self.axis}


CLASSES = {c.__name__: c for c in (MaxNorm, NonNeg, UnitNorm)}
ALIASES = {"max_norm": MaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm}
max_norm, non_neg, unit_norm = MaxNorm, NonNeg, UnitNorm


def get(identifier):
    """A constraint from itself, its name, its configuration, or None. Raises ValueError for unknown names."""
    if isinstance(identifier, str):
        return lookup("constraint", identifier, ALIASES | CLASSES)()
    if isinstance(identifier, dict):
        return lookup("constraint", identifier["class_name"], CLASSES)(**identifier["config"])
    if identifier is None or callable(identifier):
        return identifier
    raise ValueError(f"a constraint is a name or a function of the weight; this is {identifier!r}")


def serialize(constraint) -> dict | None:
    """What `get` makes an equal constraint of. Raises ValueError for functions of one's own."""
    if constraint is None:
        return None
    if CLASSES.get(type(constraint).__name__) is not type(constraint):
        raise ValueError(f"the constraint {constraint!r} is a function of one's own, which a file can't keep")
    return {"class_name": type(constraint).__name__, "config": constraint.get_config()}
