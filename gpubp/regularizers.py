"""Penalties on weights or activations, which are added to the loss; functions over `gpubp.ops`."""

from gpubp import ops
from gpubp.names import lookup


class Regularizer:
    """Base of penalties: subclasses define `__call__(x)`, in ops, with a scalar for an array of any shape."""

    def __call__(self, x):
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict:
        """The arguments that make an equal penalty."""
        return {}


class L1L2(Regularizer):
    """l1 sum(|x|) + l2 sum(x^2).

    Arguments:
        l1, l2: floats of at least 0. Default 0.

    Raises:
        ValueError: for values out of range.

    Source: https://keras.io/api/layers/regularizers

    >>> from gpubp.regularizers import L1L2
    >>> round(float(L1L2(l1=0.1, l2=0.01)([3.0, -4.0])), 2)
    0.95
    """

    def __init__(self, l1=0.0, l2=0.0):
        self.l1, self.l2 = (factor(name, x) for name, x in (("l1", l1), ("l2", l2)))

    def __call__(self, x):
        penalties = []
        if self.l1:
            penalties.append(self.l1 * ops.sum(ops.abs(x)))
        if self.l2:
            penalties.append(self.l2 * ops.sum(ops.square(x)))
        return sum(penalties[1:], penalties[0]) if penalties else 0.0

    def get_config(self):
        return {"l1": self.l1, "l2": self.l2}


class L1(L1L2):
    """l1 sum(|x|). Arguments and errors as of L1L2; l1 is 0.01 by default."""

    def __init__(self, l1=0.01):
        super().__init__(l1=l1)

    def get_config(self):
        return {"l1": self.l1}


class L2(L1L2):
    """l2 sum(x^2). Arguments and errors as of L1L2; l2 is 0.01 by default."""

    def __init__(self, l2=0.01):
        super().__init__(l2=l2)

    def get_config(self):
        return {"l2": self.l2}


def factor(name, value) -> float:
    if not value >= 0:
        raise ValueError(f"{name} must be at least 0; it is {value!r}")
    return float(value)


CLASSES = {c.__name__: c for c in (L1, L2, L1L2)}
ALIASES = {"l1": L1, "l2": L2, "l1_l2": L1L2, "l1l2": L1L2}
l1, l2, l1_l2 = L1, L2, L1L2


def get(identifier):
    """A penalty from itself, its name, its configuration, or None. Raises ValueError for unknown names."""
    if isinstance(identifier, str):
        return lookup("regularizer", identifier, ALIASES | CLASSES)()
    if isinstance(identifier, dict):
        return lookup("regularizer", identifier["class_name"], CLASSES)(**identifier["config"])
    if identifier is None or callable(identifier):
        return identifier
    raise ValueError(f"a regularizer is a name or a function of the weights; this is {identifier!r}")


def serialize(regularizer) -> dict | None:
    """What `get` makes an equal penalty of. Raises ValueError for functions of one's own."""
    if regularizer is None:
        return None
    if CLASSES.get(type(regularizer).__name__) is not type(regularizer):
        raise ValueError(f"the regularizer {regularizer!r} is a function of one's own, which a file can't keep")
    return {"class_name": type(regularizer).__name__, "config": regularizer.get_config()}
