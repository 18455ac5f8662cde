"""Shapes while recording: a dimension is an int or k*B + c, where B is the number of rows, known only at run time."""

from dataclasses import dataclass
from itertools import zip_longest
from math import prod
from typing import TypeAlias, Union

Dimension: TypeAlias = Union[int, "Dim", None]
Shape: TypeAlias = tuple[Dimension, ...]


@dataclass(frozen=True)
class Dim:
    """The dimension k*B + c."""

    k: int
    c: int = 0

    def __add__(self, other):
        return simplest(self.k + other.k, self.c + other.c) if isinstance(other, Dim) else Dim(self.k, self.c + other)

    def __mul__(self, other):
        if isinstance(other, Dim):
            raise ValueError(f"({self}) * ({other}) is not of the form k*B + c, where B is the number of rows")
        return simplest(self.k * other, self.c * other)

    def __floordiv__(self, other):
        if isinstance(other, Dim) or self.k % other or self.c % other:
            raise ValueError(f"({self}) is not divisible by ({other}) for every number of rows B")
        return Dim(self.k // other, self.c // other)

    __radd__, __rmul__ = __add__, __mul__

    def __repr__(self):
        return (f"{self.k}*B" if self.k != 1 else "B") + (f"{self.c:+d}" if self.c else "")


B = Dim(1)


def simplest(k: int, c: int) -> int | Dim:
    return Dim(k, c) if k else c


def at(shape: Shape, rows: int) -> tuple[int, ...]:
    """The shape for a given number of rows; a dimension of unknown length (None) becomes -1."""
    return tuple(d.k * rows + d.c if isinstance(d, Dim) else -1 if d is None else d for d in shape)


def public(shape: Shape) -> tuple[int | None, ...]:
    """The shape as users see it: None for what is known only at run time."""
    return tuple(d if isinstance(d, int) else None for d in shape)


def size(shape: Shape):
    """The number of elements."""
    return prod(shape)


def broadcast(*shapes: Shape) -> Shape:
    """The shape that results from NumPy's broadcasting. Raises ValueError where shapes do not fit."""
    out = []
    for column in zip_longest(*(s[::-1] for s in shapes), fillvalue=1):
        wide = {d for d in column if d != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {' and '.join(map(str, map(public, shapes)))} do not broadcast")
        out.append(wide.pop() if wide else 1)
    return tuple(out[::-1])
