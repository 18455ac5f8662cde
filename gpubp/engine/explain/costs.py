"""What an instruction has to do: floating-point operations, and bytes to and from memory."""

from dataclasses import dataclass

import numpy as np

from gpubp.engine.fuse import Instruction, base
from gpubp.engine.plan import Part
from gpubp.ops.registry import Op
from gpubp.ops.shapes import at, size

MOVED = ("{0}", "{column}")  # expressions that compute nothing
MOVERS = ("gather.take", "shaping.")  # beginnings of the names of kernels that do not either


@dataclass(frozen=True)
class Product:
    """`count` matrix products (m, k) @ (k, n)."""

    m: int
    n: int
    k: int
    dtype: np.dtype
    ta: bool
    tb: bool
    count: int
    precision: str | None

    @property
    def flops(self) -> int:
        return 2 * self.m * self.n * self.k * self.count


def product(i: Instruction, rows: int) -> Product | None:
    """The matrix products that an instruction consists of, an epilogue aside; None if it is another one."""
    i = i.halves[0] if i.halves else i
    if i.op is None or i.op.kernel != "gemm.gemm":
        return None
    shapes = (at(x.dims, rows) for x in (*i.inputs, *i.outputs))
    m, n, k, _, _, _, ta, tb, _, _, count, *_ = i.op.options(*shapes, **i.attrs)
    return Product(int(m), int(n), int(k), i.outputs[0].dtype, bool(ta), bool(tb), int(count), i.attrs.get("precision"))


def flops(i: Instruction, rows: int) -> int:
    """Multiplications and additions of a product, else one for each element that a step computes or reduces."""
    if i.halves or i.stages:
        return sum(flops(one, rows) for one in (*i.halves, *i.stages))
    found = product(i, rows)
    if found:
        return found.flops
    steps = (s for s in i.steps if computes(s.op))
    return sum(max(int(size(at(x.dims, rows))) for x in (*s.inputs, *s.outputs)) for s in steps)


def computes(op: Op) -> bool:
    """Whether an op does more than to move elements or to convert their dtype."""
    return op.name != "cast" and op.expression not in MOVED and not (op.kernel or "").startswith(MOVERS)


def traffic(part: Part, i: Instruction, rows: int) -> int:
    """Bytes read and written, each array once; of gathered arrays only the rows that are taken."""
    return sum(_touched(part, x, i, rows) for x in (*i.inputs, *i.outputs))


def footprint(part: Part, i: Instruction, rows: int) -> int:
    """Bytes of memory that it touches: what is written where it was read counts once."""
    ends = {x: part.places[base(x)] for x in (*i.inputs, *i.outputs)}
    touched = {(place.segment, place.offset): _touched(part, x, i, rows) for x, place in ends.items()}
    return sum(touched.values())


def _touched(part, x, i, rows) -> int:
    place = part.places[base(x)]
    known = place.shape if None not in place.shape else i.outputs[0].dims
    return int(size(at(known, rows))) * place.dtype.itemsize
