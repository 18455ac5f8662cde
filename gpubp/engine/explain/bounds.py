"""The time that no implementation of an instruction could undercut on this machine."""

from gpubp.engine import floors
from gpubp.engine.explain.costs import flops, footprint, product, traffic
from gpubp.engine.fuse import Instruction
from gpubp.engine.plan import Part


def floor(part: Part, i: Instruction, rows: int) -> float:
    """Seconds: of matrix products these products alone, else arithmetic or traffic, whichever takes longer."""
    p = product(i, rows)
    if p:
        return p.count * floors.gemm_seconds(p.m, p.n, p.k, p.dtype, p.ta, p.tb, p.precision)
    dtype = next((x.dtype for x in i.outputs if x.dtype.kind == "f"), "float32")
    arithmetic = flops(i, rows) / floors.gemm_rate(dtype)
    return max(arithmetic, traffic(part, i, rows) / floors.copy_rate(footprint(part, i, rows)))


def rates(largest: int) -> dict[str, float]:
    """What floors are made of, per second: operations of a large product, bytes moved over `largest` bytes."""
    return {"products": floors.gemm_rate(), "copies": floors.copy_rate(largest)}
