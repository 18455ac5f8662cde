"""Functions of (y_true, y_pred) with one value a row, and the classes of losses and metrics that are made of them."""

import functools
import inspect
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np


def row_function(prepare: Callable) -> Callable:
    """Makes a formula a public function: its arguments are checked, its (y_true, y_pred) prepared.

    `prepare` is one of `gpubp.losses.targets`: outputs, distributions, labels.
    """

    def decorate(formula: Callable) -> Callable:
        signature = inspect.signature(formula)

        @functools.wraps(formula)
        def function(y_true, y_pred, *args, **kwargs):
            arguments = signature.bind(y_true, y_pred, *args, **kwargs).arguments
            check_arguments(formula.__name__, arguments)
            return formula(*prepare(formula.__name__, y_true, y_pred), *args, **kwargs)

        return function

    return decorate


def _number(x) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def _integer(x) -> bool:
    return isinstance(x, Integral) and not isinstance(x, bool)


# A name means the same wherever it occurs.
ARGUMENTS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "alpha": (lambda x: np.all(np.asarray(x, float) >= 0), "at least 0"),
    "apply_class_balancing": (lambda x: isinstance(x, bool), "True or False"),
    "axis": (lambda x: x is None or _integer(x), "an int"),
    "beta": (lambda x: _number(x) and x >= 0, "at least 0"),
    "delta": (lambda x: _number(x) and x > 0, "greater than 0"),
    "from_logits": (lambda x: isinstance(x, bool), "True or False"),
    "gamma": (lambda x: _number(x) and x >= 0, "at least 0"),
    "ignore_class": (lambda x: x is None or _integer(x), "an int or None"),
    "k": (lambda x: _integer(x) and x >= 1, "an int of at least 1"),
    "label_smoothing": (lambda x: _number(x) and 0 <= x <= 1, "between 0 and 1"),
    "num_classes": (lambda x: _integer(x) and x >= 1, "an int of at least 1"),
    "quantile": (lambda x: _number(x) and 0 < x < 1, "between 0 and 1, both excluded"),
    "threshold": (_number, "a number"),
}


def check_arguments(what: str, arguments: Mapping[str, Any]):
    """Raises ValueError for a value that is out of its argument's range."""
    for name, given in arguments.items():
        fits, wanted = ARGUMENTS.get(name, (lambda x: True, ""))
        if not fits(given):
            raise ValueError(f"{what}: {name} must be {wanted}; it is {given!r}")


def returned(what: str, values):
    """The values of a function. Raises TypeError if there are none, as of one without a return."""
    if values is None:
        raise TypeError(f"{what} returns None; it is to return one value for each row")
    return values


class MadeOfFunction:
    """Makes a class of a function: `class Huber(..., of=huber)` takes the function's own arguments, then the wrapper's.

    The wrapper is the class behind this one in the order of bases; it takes a function first and further arguments of
    that function by name.
    """

    of: Callable
    __signature__: inspect.Signature

    def __init_subclass__(cls, of: Callable | None = None, name: str | None = None, **rest):
        super().__init_subclass__(**rest)
        if of is None:
            return
        cls.of = staticmethod(of)
        cls.__doc__ = cls.__doc__ or of.__doc__
        own = list(inspect.signature(of).parameters.values())[2:]
        wrapper = list(inspect.signature(super().__init__).parameters.values())[2:-1]
        general = [p.replace(default=name or of.__name__) if p.name == "name" else p for p in wrapper]
        cls.__signature__ = inspect.Signature([*own, *general])

    def __init__(self, *positional, **named):
        cls = type(self)
        bound = cls.__signature__.bind(*positional, **named)
        bound.apply_defaults()
        super().__init__(cls.of, **bound.arguments)  # type: ignore[call-arg]
