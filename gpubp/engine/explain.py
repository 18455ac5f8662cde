"""A program as a table, as a database shows a query plan."""

from gpubp.engine.fuse import Instruction, base
from gpubp.engine.plan import Part
from gpubp.engine.program import Program
from gpubp.ops.shapes import at, public, size

# What an elementwise step costs is counted as one operation an element.
FREE = {"reshape", "broadcast_to", "stop_gradient", "cast", "iota", "take_rows", "transpose"}


def explain(program: Program, rows: int) -> str:
    """The instructions of a program for a batch of `rows` rows, with their arithmetic and traffic, and the memory."""
    lines = [f"{'part':18}{'instruction':44}{'layer':18}{'result':26}{'FLOPs':>13}{'bytes':>12}  place"]
    for part in program.parts:
        for i in part.code:
            lines.append(_line(part, i, rows))
    work, moved = (sum(f(p, i, rows) for p in program.parts for i in p.code) for f in (flops, traffic))
    lines.append(f"a step of {rows} rows: {work:,} FLOPs, {moved:,} bytes moved if nothing stays in cache")
    sizes = ", ".join(f"{segment} {n:,}" for segment, n in program.layout.sizes.items() if n)
    lines.append(f"bytes of memory: {sizes}")
    return "\n".join(lines)


def _line(part: Part, i: Instruction, rows: int) -> str:
    out = max(i.outputs, key=lambda x: size(at(x.dims, rows)))
    place = part.places[out]
    what = i.name if len(i.steps) == 1 else f"region of {len(i.steps)}: {i.name}"
    counts = f"{flops(part, i, rows):13,}{traffic(part, i, rows):12,}"
    shapes = str(public(out.dims)).replace(" ", "").replace("None", "B")
    layer = ",".join(i.scopes)
    where = f"{place.segment}+{place.offset}"
    return f"{part.name:18}{_cut(what, 43):44}{_cut(layer, 17):18}{_cut(shapes, 25):26}{counts}  {where}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def flops(part: Part, i: Instruction, rows: int) -> int:
    """Multiplications and additions of a product, else one for each element that a step computes or reads."""
    if i.op and i.op.name == "matmul":
        k = at(i.inputs[0].dims, rows)[0 if i.attrs["ta"] else 1]
        return 2 * k * int(size(at(i.outputs[0].dims, rows)))
    steps = (s for s in i.steps if s.op.name not in FREE)
    return sum(max(int(size(at(x.dims, rows))) for x in (*s.inputs, *s.outputs)) for s in steps)


def traffic(part: Part, i: Instruction, rows: int) -> int:
    """Bytes read and written, each array once; of gathered arrays only the rows that are taken."""
    total = 0
    for x in (*i.inputs, *i.outputs):
        place = part.places[base(x)]
        known = place.shape if None not in place.shape else i.outputs[0].dims
        total += int(size(at(known, rows))) * place.dtype.itemsize
    return total
