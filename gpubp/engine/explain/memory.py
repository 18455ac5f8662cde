"""The memory of a program, segment by segment: how much, how much of it at once, and what lives there."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from gpubp.engine.fuse import base
from gpubp.engine.plan import GRADS, PARAMS, WORK, Operand, Part
from gpubp.engine.program import Program
from gpubp.engine.trace import Symbol


@dataclass(frozen=True)
class Value:
    """Who lives somewhere: its name, its first byte in the segment, its bytes."""

    name: str
    offset: int
    bytes: int


@dataclass(frozen=True)
class Segment:
    """A stretch of memory.

    Arguments:
        name: such as "params" or "work".
        bytes: its size.
        peak: the bytes in use at a time, at most; the rest is alignment and, in `work`, gaps.
        values: what lives there; in `work` what does at the peak.
        at: the number of the instruction at which `work` has its peak; None for the other segments.
    """

    name: str
    bytes: int
    peak: int
    values: list[Value]
    at: int | None = None

    def to_dict(self) -> dict:
        return asdict(self)


def arena(program: Program, rows: int, store, names: dict[str, Operand]) -> list[Segment]:
    """The segments of a program's own memory, in its order; empty ones are left out."""
    known = _names(program, store, names)
    return [
        _work(program, rows, n) if segment == WORK else _lasting(program, rows, segment, n, known)
        for segment, n in program.layout.sizes.items()
        if n
    ]


def _names(program, store, names) -> dict[tuple[str, int], tuple[str, Operand]]:
    """Places that have names, by where they begin."""
    found = dict(names) | program.scalars
    if store:
        found |= {v.name: place for v, place in store.places.items()} | store.slots | store.numbers
    named = [(name, place) for name, place in found.items()]
    named += [("array" if place.shape else f"constant {value}", place) for place, value in program.layout.constants]
    if store:
        gradients = ((v.name, place) for v, place in store.places.items() if place.segment == PARAMS)
        named += [(name, replace(place, segment=GRADS)) for name, place in gradients]
    return {(place.segment, place.offset): (name, place) for name, place in named}


def _lasting(program, rows, segment, size, known) -> Segment:
    """A segment whose values stay where they are: those with names, and what parts leave for other parts."""
    found = {
        offset: Value(name, offset, place.bytes(rows)) for (s, offset), (name, place) in known.items() if s == segment
    }
    label = "weights" if segment.endswith(PARAMS) else "batch"  # of copies in half precision
    for part in program.parts:
        copied = [place for place in part.places.values() if place.segment == segment and place.half]
        found |= {0: Value(label, 0, max(p.offset + p.bytes(rows) for p in copied))} if copied else {}
        for place, symbol in part.assigned:
            if place.segment == segment and not _covered(place.offset, found.values()):
                found[place.offset] = Value(_label(symbol), place.offset, place.bytes(rows))
    values = sorted(found.values(), key=lambda v: v.offset)
    return Segment(segment, size, _union(values), values)


def _covered(offset: int, values: Iterable[Value]) -> bool:
    return any(v.offset <= offset < v.offset + v.bytes for v in values)


def _work(program, rows, size) -> Segment:
    """`work`, at the instruction at which most of it is in use."""
    moments, number = [], 0
    for part in program.parts:
        for live in _live(part, rows):
            moments.append(Segment(WORK, size, _union(live), live, at=number))
            number += 1
    return max(moments, key=lambda moment: moment.peak)


def _live(part: Part, rows: int) -> Iterable[list[Value]]:
    """Of each instruction of a part, what lives in `work` while it runs."""
    first: dict[Symbol, int] = {}
    last: dict[Symbol, int] = {}
    for k, i in enumerate(part.code):
        for x in (*i.outputs, *i.scratch):
            if part.places[x].segment == WORK:
                first[x] = last[x] = k
        for x in map(base, i.inputs):
            if x in first:
                last[x] = k
    for k in range(len(part.code)):
        there = (x for x in first if first[x] <= k <= last[x])
        values = (Value(_label(x), part.places[x].offset, part.places[x].bytes(rows)) for x in there)
        yield sorted(values, key=lambda v: v.offset)


def _label(symbol: Symbol) -> str:
    """A value by the op that computes it and, where it is a layer's, the layer."""
    symbol = base(symbol)
    if symbol.op is None:
        return "scratch"
    if symbol.op.name == "take_rows" and symbol.inputs[0].place:
        return f"rows of {symbol.inputs[0].place.segment}"
    return f"{symbol.scope} {symbol.op.name}" if symbol.scope else symbol.op.name


def _union(values: Iterable[Value]) -> int:
    """The bytes that values take together: one that takes over the place of another counts once."""
    total = end = 0
    for v in sorted(values, key=lambda v: v.offset):
        total += max(0, v.offset + v.bytes - max(end, v.offset))
        end = max(end, v.offset + v.bytes)
    return total
