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


class MinMaxNorm(Constraint):
    """w, scaled so that its norm along an axis moves into an interval: w d / (epsilon + |w|), where d is
    rate clip(|w|, min_value, max_value) + (1 - rate) |w|.

    Arguments:
        min_value, max_value: floats, the interval. Default 0 and 1.
        rate: float in [0, 1], how far an update goes. Default 1, all the way.
        axis: int or tuple of ints; along axis 0 of a Dense kernel (inputs, units) lie the weights of a unit. Default 0.

    Source: https://keras.io/api/layers/constraints
    """

    def __init__(self, min_value=0.0, max_value=1.0, rate=1.0, axis=0):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w):
        norm = norm_of(w, self.axis)
        wanted = self.rate * ops.clip(norm, float(self.min_value), float(self.max_value)) + (1.0 - self.rate) * norm
        return w * (wanted / (epsilon() + norm))

    def get_config(self):
        return {"min_value": self.min_value, "max_value": self.max_value, "rate": self.rate, "axis": self.axis}


class MaxNorm(MinMaxNorm):
    """w, scaled down where its norm along an axis is above a bound: w clip(|w|, 0, m) / (epsilon + |w|).

    Arguments:
        max_value: float, the bound. Default 2.
        axis: as of MinMaxNorm.

    Source: https://keras.io/api/layers/constraints
    """

    def __init__(self, max_value=2, axis=0):
        super().__init__(max_value=max_value, axis=axis)

    def get_config(self):
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(Constraint):
    """w / (epsilon + |w|), the norm taken along an axis.

    Arguments:
        axis: as of MinMaxNorm.

    Source: https://keras.io/api/layers/constraints
    """

    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        return w / (epsilon() + norm_of(w, self.axis))

    def get_config(self):
        return {"axis": self.axis}


def norm_of(w, axis):
    """The norm along one or more axes."""
    axes = axis if isinstance(axis, int) else tuple(axis)
    return ops.sqrt(ops.sum(ops.square(w), axes, keepdims=True))


CLASSES = {c.__name__: c for c in (MaxNorm, MinMaxNorm, NonNeg, UnitNorm)}
ALIASES = {"max_norm": MaxNorm, "min_max_norm": MinMaxNorm, "non_neg": NonNeg, "unit_norm": UnitNorm}
max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm


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
