"""Penalties on weights or activations, which are added to the loss; functions over `gpubp.ops`."""

import numpy as np

from gpubp import ops
from gpubp.names import lookup
from gpubp.ops.registry import dims, value


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
        self.l1, self.l2 = (not_negative(name, x) for name, x in (("l1", l1), ("l2", l2)))

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


class OrthogonalRegularizer(Regularizer):
    """The mean of |cosine| over all pairs of a matrix's rows, or columns, times a factor.

    Arguments:
        factor: float of at least 0. Default 0.01.
        mode: "rows" or "columns", which are to be at right angles to each other. Default "rows".

    Raises:
        ValueError: for another mode or factor; at the call, for anything but a matrix.

    Source: https://keras.io/api/layers/regularizers

    >>> from gpubp.regularizers import OrthogonalRegularizer
    >>> round(float(OrthogonalRegularizer(1.0)([[1.0, 0.0], [1.0, 1.0]])), 4)
    0.7071
    """

    def __init__(self, factor=0.01, mode="rows"):
        if mode not in ("rows", "columns"):
            raise ValueError(f"OrthogonalRegularizer: mode is 'rows' or 'columns'; it is {mode!r}")
        self.factor, self.mode = not_negative("factor", factor), mode

    def __call__(self, x):
        x = value(x)
        if len(dims(x)) != 2:
            raise ValueError(f"OrthogonalRegularizer takes a matrix; this has shape {dims(x)}")
        x = ops.normalize(x if self.mode == "rows" else ops.transpose(x), 1)
        n = x.shape[0]
        cosines = ops.matmul(x, ops.transpose(x)) * (1 - np.eye(n, dtype=x.dtype))
        return ops.sum(ops.abs(cosines)) * (self.factor / max(1, n * (n - 1)))

    def get_config(self):
        return {"factor": self.factor, "mode": self.mode}


def not_negative(name, number) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float | np.number) or not 0 <= number < float("inf"):
        raise ValueError(f"{name} must be a number of at least 0; it is {number!r}")
    return float(number)


CLASSES = {c.__name__: c for c in (L1, L2, L1L2, OrthogonalRegularizer)}
ALIASES = {"l1": L1, "l2": L2, "l1_l2": L1L2, "l1l2": L1L2, "orthogonal_regularizer": OrthogonalRegularizer}
l1, l2, l1_l2, orthogonal_regularizer = L1, L2, L1L2, OrthogonalRegularizer


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
