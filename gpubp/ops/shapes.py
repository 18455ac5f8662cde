"""Shapes while recording: a dimension is an int or k*B + c, where B is the number of rows, known only at run time."""

from collections.abc import Iterable
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

    def __sub__(self, other):
        return self + -1 * other

    def __rsub__(self, other):
        return -1 * self + other

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


def bound(value, rows: int):
    """An op's constant, in which dimensions may stand alone or in tuples, for a given number of rows."""
    if isinstance(value, tuple):
        return tuple(bound(v, rows) for v in value)
    return value.k * rows + value.c if isinstance(value, Dim) else value


def never_negative(d: Dimension) -> bool:
    """Whether a dimension is at least 0 for every number of rows, of which there is at least one."""
    return d.k >= 0 and d.k + d.c >= 0 if isinstance(d, Dim) else d is not None and d >= 0


def public(shape: Shape) -> tuple[int | None, ...]:
    """The shape as users see it: None for what is known only at run time."""
    return tuple(d if isinstance(d, int) else None for d in shape)


def told(*shapes: Shape) -> list[Shape]:
    """The shapes as users see them; those that differ in the number of rows alone with that, as B."""
    seen = {public(s) for s in shapes}
    return [public(s) for s in shapes] if len(seen) == len(set(shapes)) else list(shapes)


def size(shape: Shape):
    """The number of elements."""
    return prod(shape)


def broadcast(*shapes: Shape) -> Shape:
    """The shape that results from NumPy's broadcasting. Raises ValueError where shapes do not fit."""
    out = []
    for column in zip_longest(*(s[::-1] for s in shapes), fillvalue=1):
        wide = {d for d in column if d != 1}
        if len(wide) > 1:
            raise ValueError(f"shapes {' and '.join(map(str, told(*shapes)))} do not broadcast")
        out.append(wide.pop() if wide else 1)
    return tuple(out[::-1])


def normal_axis(axis: int, rank: int) -> int:
    """`axis`, counted from the end if negative, as a number from 0. Raises ValueError out of range."""
    if not -rank <= axis < rank:
        raise ValueError(f"axis {axis} is out of range for an array of {rank} dimensions")
    return int(axis % rank)


def normal_axes(axis, rank: int) -> tuple[int, ...]:
    """`axis` (None for all, an int or several) as a sorted tuple of distinct axes. Raises ValueError out of range."""
    wanted = range(rank) if axis is None else axis if isinstance(axis, Iterable) else (axis,)
    return tuple(sorted({normal_axis(a, rank) for a in wanted}))
