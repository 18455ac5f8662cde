"""What a kernel computes, the same for every target; one generator a target writes its text.

Values and arrays go by number, so that equal kernels have equal descriptions.
"""

from dataclasses import dataclass

BEFORE, IN_ROW, INNER, AFTER = "before", "in row", "inner", "after"
COLUMN = "{column}"  # the expression of a value that is the number of its column


@dataclass(frozen=True)
class Array:
    """An operand as the kernel sees it; `open`: its first dimension is as long as the segment reaches."""

    dtype: str
    rank: int
    open: bool = False


@dataclass(frozen=True)
class Compute:
    """An elementwise step: where in the loop it stands and in which pass, and what it computes from which values."""

    value: int
    where: str
    level: int
    expression: str
    inputs: tuple[int, ...]
    dtype: str  # that chooses the library of functions


@dataclass(frozen=True)
class Reduce:
    """A reduction: along the row to a "COLUMN", over the rows to a "ROW" (always an output) or to a "SCALAR"."""

    value: int
    where: str  # INNER where it reads full values, IN_ROW where it reads a column's
    level: int
    op: str  # "sum", "max" or "min"
    input: int
    target: str
    dtype: str


@dataclass(frozen=True)
class Access:
    """A value that is read from, or written to, an array of a kind: "SCALAR", "ROW", "COLUMN" or "FULL"."""

    value: int
    array: int
    kind: str


@dataclass(frozen=True)
class Loop:
    """A region: what it reads, computes and writes, and what it keeps in a row of scratch from pass to pass."""

    arrays: tuple[Array, ...]
    loads: tuple[Access, ...]
    steps: tuple[Compute | Reduce, ...]
    stores: tuple[Access, ...]
    spills: tuple[Access, ...]  # of the kind "ROW"


@dataclass(frozen=True)
class Nest:
    """One elementwise op that broadcasts in a way no loop over rows and columns can: a loop a dimension.

    `loads` tells of each input, dimension by dimension, whether it varies there; the output is the last array.
    """

    arrays: tuple[Array, ...]
    loads: tuple[tuple[bool, ...], ...]
    expression: str
    dtype: str  # that chooses the library of functions


@dataclass(frozen=True)
class Written:
    """A function of the package, "family.name", that works on these arrays and so many options."""

    arrays: tuple[Array, ...]
    function: str
    options: int


Kernel = Loop | Nest | Written
