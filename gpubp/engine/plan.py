"""Planning: every value gets a place; `work` is shared by lifetime, and results arise where they are to stay."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from gpubp.engine.epilogues import with_epilogues
from gpubp.engine.fuse import Instruction, alone, as_instructions, base, copied, fuse
from gpubp.engine.halves import HALVES, Halves
from gpubp.engine.narrow import stretch
from gpubp.engine.trace import Graph, Symbol
from gpubp.ops.linalg import gemm
from gpubp.ops.registry import REGISTRY
from gpubp.ops.shapes import Shape, at, size

PARAMS, STATE, GRADS, SUMS, WORK, DATA, SCALARS = (
    "params",  # variables that optimizers change
    "state",  # other variables, and the optimizer's slots
    "grads",
    "sums",  # numerators and divisors of losses and metrics
    "work",  # what does not outlive a part
    "data",  # batches, captured arrays
    "scalars",  # rows, step, seed, learning rate, constants
)


@dataclass(frozen=True)
class Operand:
    """Where a value lies: byte offset in a segment, dtype, shape.

    Segments beside those above are arrays of the caller, named by the program; their first dimension is None where
    their length is not known. `half` names the format in which float32 values are kept in two bytes each; `dtype` is
    then what NumPy has for them.
    """

    segment: str
    offset: int
    dtype: np.dtype
    shape: Shape
    half: str | None = None

    @property
    def number(self) -> str:
        """What kernels find there, by its name."""
        return self.half or self.dtype.name

    def bytes(self, rows: int) -> int:
        return size(at(self.shape, rows)) * self.dtype.itemsize

    def overlaps(self, other: "Operand", rows: int) -> bool:
        return (
            self.segment == other.segment
            and self.offset < other.offset + other.bytes(rows)
            and other.offset < self.offset + self.bytes(rows)
        )


@dataclass
class Layout:
    """Hands out the bytes of segments, for at most `rows` rows.

    `epilogues` names what the products of the device take up, `precisions` what they can be computed in,
    `narrow` whether the device computes what `engine.narrow` joins, `branches` whether it computes gradients of weights
    beside what follows them.

    Of weights, and of the rows of a `batch`, there may be copies in half precision, their `shadows`, by format, if who
    plans sees to it (`shadowed`): parts that write such values are planned after those that read them, and write both.
    """

    rows: int
    align: int = 64
    epilogues: frozenset[str] = frozenset()
    precisions: frozenset[str] = frozenset()
    narrow: bool = False
    branches: bool = False
    sizes: dict[str, int] = field(default_factory=dict)
    constants: list[tuple[Operand, object]] = field(default_factory=list)
    batch: list[Operand] = field(default_factory=list)
    shadowed: bool = False
    shadows: dict[str, list[Operand]] = field(default_factory=dict)

    def add(self, segment: str, shape: Shape, dtype) -> Operand:
        operand = Operand(segment, self.sizes.get(segment, 0), np.dtype(dtype), tuple(shape))
        self.reserve(segment, operand.offset + operand.bytes(self.rows))
        return operand

    def reserve(self, segment: str, end: int):
        """Makes a segment at least this long."""
        self.sizes[segment] = max(self.sizes.get(segment, 0), self.up(end))

    def up(self, offset: int) -> int:
        return -(-offset // self.align) * self.align

    def shadow(self, place: Operand, half: str) -> Operand | None:
        """Where to read a copy in half precision; None for what has none."""
        if not self.shadowed or not (place.segment == PARAMS or place in self.batch):
            return None
        self.shadows.setdefault(half, []).append(place)
        return self.beside(place, half)

    def shadows_of(self, place: Operand) -> list[Operand]:
        """The copies that whoever writes a place has to write, too."""
        wanted = (half for half, read in self.shadows.items() if any(r.overlaps(place, self.rows) for r in read))
        return [self.beside(place, half) for half in wanted]

    def beside(self, place: Operand, half: str) -> Operand:
        """Where a shadow lies: in a segment of its own, in which everything is as in the other, half as large."""
        segment, offset = f"{half} {place.segment}", place.offset // 2
        found = replace(place, segment=segment, offset=offset, dtype=HALVES[half], half=half)
        self.reserve(found.segment, found.offset + found.bytes(self.rows))
        return found

    def constant(self, symbol: Symbol) -> Operand:
        """A place that the executor fills once: with a number, or with an array that the recording captured."""
        segment, value = (DATA, symbol.array) if symbol.array is not None else (SCALARS, symbol.constant)
        place = self.add(segment, symbol.dims, symbol.dtype)
        self.constants.append((place, value))
        return place


@dataclass
class Part:
    """A stretch of the program. Nothing in `work` outlives it, and executors can run it on its own."""

    name: str
    graph: list[Instruction]  # op by op, for the reference
    assigned: list[tuple[Operand, Symbol]]  # what the part changes, all at once at its end
    code: list[Instruction]  # what runs by the plan
    places: dict[Symbol, Operand]  # of all values that the code reads or writes
    work: int = 0  # bytes of `work`


def plan(
    name: str,
    assigned: Iterable[tuple[Operand, Symbol]],
    layout: Layout,
    fused: bool = True,
    unread: Container[Operand] = (),
) -> Part:
    """The part that computes symbols of one recording and assigns them to operands, and to their shadows.

    Those that are `unread` are not computed by the code.
    """
    targets = _own_values(list(assigned))
    kept = [(place, symbol) for place, symbol in targets if place not in unread]
    kept += [(shadow, _again(symbol)) for place, symbol in targets for shadow in layout.shadows_of(place)]
    roots = [symbol for _, symbol in kept]
    ops = as_instructions(roots)
    code = fuse(ops, roots) if fused else alone(ops, roots)
    if fused:
        code = with_epilogues(code, roots, layout.epilogues)
    halves = Halves(code, {base(r) for r in roots}, layout.precisions, layout.shadow)
    found = stretch(halves.code, roots) if fused and layout.narrow else None
    graph = as_instructions([symbol for _, symbol in targets])
    part = Part(name, graph, targets, found.code if found else halves.code, dict(halves.places), 0)
    _place_inputs(part, layout)
    _settle(part, kept, layout.rows)
    _allocate(part, halves.kept, layout)
    if found:
        part.code = found.joined(part.code, part.places, layout.rows)
    return part


def _own_values(assigned) -> list[tuple[Operand, Symbol]]:
    """Each target with a value that is computed for it alone: others are copied first, from before the assignments."""
    owned: set[Symbol] = set()
    targets = []
    for operand, symbol in assigned:
        if base(symbol).op is None or base(symbol) in owned:
            symbol = copied(symbol).outputs[0]
        owned.add(base(symbol))
        targets.append((operand, symbol))
    return targets


def _again(symbol: Symbol) -> Symbol:
    """The same value once more: a copy, which fuses with what computes it; rows that are gathered do not."""
    if symbol.op is REGISTRY["take_rows"]:
        return Symbol(symbol.graph, symbol.dims, symbol.dtype, op=symbol.op, inputs=symbol.inputs, attrs=symbol.attrs)
    return copied(symbol).outputs[0]


def refreshed(name: str, layout: Layout) -> Part:
    """The part that makes the shadows of the weights, all of a format by one instruction."""
    part = Part(name, [], [], [], {})
    for half, read in layout.shadows.items():
        weights = [place for place in read if place.segment == PARAMS]
        if not weights:
            continue
        begin, end = min(w.offset for w in weights), max(w.offset + w.bytes(1) for w in weights)
        flat = replace(weights[0], offset=begin, shape=((end - begin) // weights[0].dtype.itemsize,))
        copy = copied(Graph().input(flat))
        part.places |= {copy.inputs[0]: flat, copy.outputs[0]: layout.beside(flat, half)}
        part.code += alone([copy], copy.outputs)
    return part


def _place_inputs(part: Part, layout: Layout):
    """Places of what the part does not compute: inputs where they lie, constants where they will be put."""
    symbols = {base(x) for i in part.code for x in i.inputs}
    for symbol in sorted(symbols, key=lambda s: s.index):
        if symbol.op is None and symbol not in part.places:
            part.places[symbol] = symbol.place or layout.constant(symbol)


def _settle(part: Part, assigned, rows: int):
    """Computes assigned values in the variables' own places where nobody reads the old content afterwards.

    The others are computed in `work` and copied at the end, when all old values have been read.
    """
    made = {x: k for k, i in enumerate(part.code) for x in i.outputs}
    copies = []
    for target, symbol in assigned:
        value = base(symbol)
        place = replace(target, shape=value.dims)
        if _free_from(target, value, made, part, rows):
            part.places[value] = place
        else:
            copies.append(_copy_into(place, value, part))
    part.code += fuse(copies, [x for i in copies for x in i.outputs])


def _free_from(target, value, made, part, rows) -> bool:
    """Whether the target's old content is read no more once the value is computed."""
    for k, i in enumerate(part.code):
        for x in map(base, i.inputs):
            place = part.places.get(x)
            if k < made[value] or place is None or not place.overlaps(target, rows):
                continue
            here = k == made[value] and i.region and i.region.may_overwrite(value, x)
            if not (here and _same_place(place, target)):
                return False
    return True


def _same_place(a: Operand, b: Operand) -> bool:
    return (a.segment, a.offset, size(a.shape)) == (b.segment, b.offset, size(b.shape))


def _copy_into(place, value, part) -> Instruction:
    copy = copied(value)
    part.places[copy.outputs[0]] = place
    return copy


def _allocate(part: Part, halves: dict[Symbol, str], layout: Layout):
    """Gives places in `work` by lifetime: in the order of their making or the largest first, whichever takes less."""
    blocks = _blocks(part, halves, layout)
    orders = (blocks, sorted(blocks, key=lambda block: -block.need))
    part.work, offsets = min((packed(order) for order in orders), key=lambda packed: packed[0])
    for block in blocks:
        for x in block.values:
            part.places[x] = _in_work(x, halves, offsets[block])
    for product, whole in ((i.halves[0].outputs[0], i.outputs[0]) for i in part.code if i.halves):
        # What one half hands to the other is never there, unless they run one by one.
        part.places[product] = replace(part.places[whole], shape=product.dims)
    layout.reserve(WORK, part.work)


@dataclass(eq=False)
class Block:
    """Values that lie in one place, one after the other, and the first and the last instruction that use it."""

    values: list[Symbol]
    need: int
    born: int
    dies: int


def _in_work(x: Symbol, halves: dict[Symbol, str], offset: int = 0) -> Operand:
    half = halves.get(x)
    return Operand(WORK, offset, HALVES[half] if half else x.dtype, x.dims, half)


def _blocks(part: Part, halves: dict[Symbol, str], layout: Layout) -> list[Block]:
    """What is to be placed. An output may take the place of an input that is read no more."""
    last = {base(x): k for k, i in enumerate(part.code) for x in i.inputs}
    for x, until in _read_beside(part).items() if layout.branches else ():
        last[x] = max(last[x], until)
    found: dict[Symbol, Block] = {}
    for k, i in enumerate(part.code):
        for out in (*i.outputs, *i.scratch):
            if out in part.places:
                continue
            block = _inherited(out, i, k, last, found, halves) if i.region else None
            if block is None:
                need = layout.up(_in_work(out, halves).bytes(layout.rows))
                block = Block([], need, k, k)
            block.values.append(out)
            block.dies, found[out] = last.get(out, k), block
    return list(dict.fromkeys(found.values()))


def _read_beside(part: Part) -> dict[Symbol, int]:
    """What gradients of weights are computed from, with the next such instruction: until then it is not overwritten."""
    settled = {x for x, place in part.places.items() if place.segment == GRADS}
    gradients = [k for k, i in enumerate(part.code) if i.op is gemm and i.outputs[0] in settled]
    return {base(x): until for k, until in pairwise([*gradients, len(part.code)]) for x in part.code[k].inputs}


def _inherited(out, instruction, k, last, found, halves) -> Block | None:
    """The place of an input of the same size that dies here, taken over from it.

    Of several, that of the latest: those before it may still be read where instructions run side by side.
    """
    possible: list[Block] = []
    for x in instruction.inputs:
        dies = x in found and found[x].values[-1] is x and last[x] == k
        alike = size(x.dims) == size(out.dims) and halves.get(x) == halves.get(out)
        if dies and alike and out in set(instruction.outputs) and instruction.region.may_overwrite(out, x):
            possible.append(found[x])
    return max(possible, key=lambda block: block.born, default=None)


def packed(blocks: list[Block]) -> tuple[int, dict[Block, int]]:
    """The bytes that blocks take, and their offsets, each the lowest that is free as long as it lives."""
    offsets: dict[Block, int] = {}
    for block in blocks:
        beside = [b for b in offsets if b.born <= block.dies and block.born <= b.dies]
        offset = 0
        for other in sorted(beside, key=offsets.__getitem__):
            if offset + block.need <= offsets[other]:
                break
            offset = max(offset, offsets[other] + other.need)
        offsets[block] = offset
    return max((offset + block.need for block, offset in offsets.items()), default=0), offsets
