"""Arguments of fit, evaluate and predict that are numbers, checked."""

from collections.abc import Callable

import numpy as np


def due_in(frequency) -> Callable[[int], bool]:
    """Whether there is validation after an epoch, from the `validation_freq` of `fit`. Raises ValueError for others."""
    if isinstance(frequency, list | tuple):
        return lambda epoch: epoch + 1 in frequency
    every = positive("validation_freq", frequency)
    return lambda epoch: (epoch + 1) % every == 0


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
