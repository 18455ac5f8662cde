"""Numbers that callers pass, checked; and how many rows a program has room for."""

from collections.abc import Callable

import numpy as np


def roomy(rows: int, most: int | None = None) -> int:
    """Rows that a program is made for, so that it serves other numbers of rows as well: a power of two, or `most`."""
    enough = 1 << (rows - 1).bit_length()
    return enough if most is None else min(enough, most)


def due_in(frequency) -> Callable[[int], bool]:
    """Whether there is validation after an epoch, from the `validation_freq` of `fit`. Raises ValueError for others."""
    if isinstance(frequency, list | tuple):
        return lambda epoch: epoch + 1 in frequency
    every = positive("validation_freq", frequency)
    return lambda epoch: (epoch + 1) % every == 0


def shuffling(value) -> bool | Callable:
    """Whether, or how, epochs have orders of their own. Raises ValueError for what says neither."""
    if not callable(value) and not isinstance(value, bool | np.bool_):
        raise ValueError(f"shuffle must be True, False, or a function of the number of rows; it is {value!r}")
    return value


def positive(name: str, value) -> int:
    """An int of at least 1. Raises ValueError for anything else."""
    return at_least(1, name, value)


def optional(name: str, value) -> int | None:
    """None, or an int of at least 1. Raises ValueError for anything else."""
    return None if value is None else positive(name, value)


def at_least(least: int, name: str, value) -> int:
    """An int. Raises ValueError for anything else, or if it is less than `least`."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        kind = "a positive int" if least == 1 else f"an int of at least {least}"
        raise ValueError(f"{name} must be {kind}; it is {value!r}")
    return int(value)
