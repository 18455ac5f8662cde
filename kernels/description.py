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


# Where an operand of a stage lies: in an array, a tile, what all rows share, or nowhere but in registers.
MEMORY, TILE, SHARED, REGISTERS = "memory", "tile", "shared", "registers"
Home = tuple[str, int]


@dataclass(frozen=True)
class Tile:
    """A value of some rows of the batch, kept on the chip: `begin` bytes of each row of all tiles lie before it."""

    dtype: str
    columns: int
    begin: int


@dataclass(frozen=True)
class Shared:
    """An array that all rows share, brought to the chip once, `factor` where it is multiplied."""

    array: int
    rows: int
    columns: int
    factor: bool


@dataclass(frozen=True)
class Bring:
    """Rows of an array become a tile: those that stand where the batch does, or those whose numbers are in an array."""

    array: int
    tile: int
    numbers: int | None = None


@dataclass(frozen=True)
class Product:
    """A tile, the product of one with a shared matrix, which is `turned` where it is stored as its transpose."""

    left: int
    right: int
    out: int
    turned: bool


@dataclass(frozen=True)
class Gradient:
    """The sum over all rows of the products of the elements of two tiles: a matrix, which is an array."""

    left: int
    right: int
    out: int


@dataclass(frozen=True)
class RowLoop:
    """A region over the rows of the tiles, and where each of its arrays lies."""

    loop: Loop
    columns: int
    homes: tuple[Home, ...]


@dataclass(frozen=True)
class Chain:
    """What a few rows at a time go through on the chip, stage by stage; what is summed over the rows comes at last.

    The option of the kernel is the number of rows.
    """

    arrays: tuple[Array, ...]
    shared: tuple[Shared, ...]
    tiles: tuple[Tile, ...]
    stages: tuple[Bring | Product | Gradient | RowLoop, ...]


@dataclass(frozen=True)
class ChainEnd:
    """What is known once all rows have gone through a chain.

    The option of the kernel is the number of blocks that have left sums.
    """

    chain: Chain

    @property
    def arrays(self) -> tuple[Array, ...]:
        return self.chain.arrays


Kernel = Loop | Nest | Written | Chain | ChainEnd
