"""What is queued on an accelerator: kernels, and products by the library."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from gpubp.backend.device import Gemm
from gpubp.engine.plan import Operand
from gpubp.kernels.cuda.generate import Text
from gpubp.kernels.cuda.launch import Launch

SCRATCH = "scratch"  # of the executor: rows of scratch that do not fit on the chip, and products before they count
PARTIALS = "partials"
COUNTERS = "counters"


@dataclass(frozen=True)
class Call:
    """A kernel with its operands: places, integers, and None where it needs no memory.

    Arguments:
        source: its text, by which it is known.
        families: the files of the functions that it calls.
        shape: of its launch.
        arguments: in the order of its parameters.
        writes: of those that are places, what it may write.
        rows: of the batch.
        independent: whether it and its like touch nothing of each other, and their threads take any of the elements.
    """

    source: Text
    families: tuple[str, ...]
    shape: Launch
    arguments: tuple[Operand | int | None, ...]
    writes: tuple[Operand, ...]
    rows: int
    independent: bool = False

    @cached_property
    def name(self) -> str:
        return f"kernel_{hashlib.sha256(self.source.named('').encode()).hexdigest()[:16]}"

    @property
    def operands(self) -> list[Operand]:
        """What it reads and writes."""
        return [x for x in self.arguments if isinstance(x, Operand)]

    @property
    def text(self) -> str:
        return self.source.named(self.name)


@dataclass(frozen=True)
class Product:
    """A product of matrices by the library, or what is called `otherwise`, where the library does not take it."""

    a: Operand
    b: Operand
    c: Operand
    shape: Gemm
    rows: int
    bias: Operand | None = None
    otherwise: tuple["Call | Product", ...] = ()

    @property
    def operands(self) -> list[Operand]:
        """What it reads and writes."""
        return [x for x in (self.a, self.b, self.bias, self.c) if x is not None]

    @property
    def writes(self) -> tuple[Operand, ...]:
        return (self.c,)


def with_others(call: Call | Product) -> list[Call | Product]:
    """A call, and all that may be called in its place."""
    others = call.otherwise if isinstance(call, Product) else ()
    return [call, *(x for other in others for x in with_others(other))]


def own_memory(calls) -> dict[str, int]:
    """The bytes that the executor must have for these calls, which run one after the other."""
    sizes: dict[str, int] = {}
    for call in calls:
        for x in call.operands:
            if x.segment in (SCRATCH, PARTIALS, COUNTERS):
                sizes[x.segment] = max(sizes.get(x.segment, 0), x.offset + x.bytes(call.rows))
    return sizes
