"""The arguments of optimizers and schedules: checked, refused by name, and read back for configurations."""

import functools
import inspect
from collections.abc import Callable
from numbers import Integral, Real

from gpubp.names import lookup

RANGES = {
    "at least 0": lambda x: x >= 0,
    "at least 1": lambda x: x >= 1,
    "at least 2": lambda x: x >= 2,
    "at most 0": lambda x: x <= 0,
    "greater than 0": lambda x: x > 0,
    "between 0 and 1": lambda x: 0 < x < 1,
    "from 0 to 1": lambda x: 0 <= x <= 1,
    "at least 0 and less than 1": lambda x: 0 <= x < 1,
    "greater than 0 and at most 1": lambda x: 0 < x <= 1,
}


def check(name: str, value, wanted: str, kind: type = Real):
    """Raises ValueError for anything but a number of this kind in one of the `RANGES`."""
    if isinstance(value, bool) or not isinstance(value, Integral if kind is int else kind) or not RANGES[wanted](value):
        what = "an int " if kind is int else ""
        raise ValueError(f"{name} must be {what}{wanted}; it is {value!r}")


def refuse(part, unknown: dict):
    """Raises ValueError for the first argument that nobody knows, with the nearest one that is known."""
    for name in unknown:
        lookup(f"argument of {type(part).__name__}", name, dict.fromkeys(names(type(part))))


def names(cls: type) -> list[str]:
    """The constructor's arguments, also those that it hands on to the constructors of its bases."""
    found: dict[str, None] = {}
    for base in cls.__mro__[:-1]:
        if "__init__" not in vars(base):
            continue
        parameters = _parameters(vars(base)["__init__"])
        found |= dict.fromkeys(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(found)


@functools.cache
def _parameters(constructor: Callable) -> list[inspect.Parameter]:
    return list(inspect.signature(constructor).parameters.values())[1:]


def current(part) -> dict:
    """The constructor's arguments as they are now: attributes of the same names."""
    return {name: getattr(part, name) for name in names(type(part)) if hasattr(part, name)}
