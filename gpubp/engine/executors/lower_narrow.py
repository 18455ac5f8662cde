"""Lowering of what goes through all its stages on the chip: a chain of products, regions and gradients of weights."""

from collections.abc import Container
from dataclasses import replace
from typing import Any

from gpubp.engine.executors.lower import Lowered, lower
from gpubp.engine.fuse import Instruction, base
from gpubp.engine.narrow import by_rows, flat, is_gradient, is_product
from gpubp.engine.plan import Block, Operand, Part, packed
from gpubp.engine.region import Kind
from gpubp.engine.trace import Symbol
from gpubp.kernels import description as d
from gpubp.kernels.cuda import on_chip
from gpubp.ops.registry import REGISTRY
from gpubp.ops.shapes import at, size

Picked = dict[Operand, tuple[Operand, Operand]]  # of rows, the array that they are in, and their numbers


def lower_chain(i: Instruction, places: dict, rows: int, picked: Picked) -> Lowered:
    """The chain of an instruction with stages, for batches of so many rows; it gathers what is `picked`."""
    return _Chain(i, places, picked).lowered(rows)


def picked(parts: list[Part], rows: int, callers: Container[str], room: int) -> Picked:
    """What is gathered for a chain alone, by its place in the batch: one that has room for it gathers it by itself.

    Arguments:
        parts: that run one after the other.
        rows: of the batch.
        callers: the names of the segments of the caller.
        room: bytes of shared memory that a block may have.
    """
    code = [(i, part.places) for part in parts for i in part.code]
    chains = [(i, places) for i, places in code if i.stages]
    if len(chains) != 1:
        return {}
    chain, places = chains[0]
    wanted = {places[base(x)] for x in chain.inputs}
    read = [known[base(x)] for i, known in code if i is not chain for x in i.inputs]
    found: Picked = {}
    for i, known in code:
        if i.op is REGISTRY["take_rows"]:
            (source, numbers), out = (known[base(x)] for x in i.inputs), known[i.outputs[0]]
            ours = source.segment in callers and numbers.segment in callers and out.segment not in callers
            if ours and out in wanted and not any(out.overlaps(place, rows) for place in read):
                found[out] = source, numbers
    kernel = lower_chain(chain, places, rows, found).kernel
    return found if on_chip.launch(kernel, rows).shared <= room else {}


class _Chain:
    """Operands by number: arrays in memory, arrays that all rows share, tiles.

    A tile is known by the value that it holds. Its place on the chip is found when all stages are known: those that are
    not needed at the same time share it.
    """

    def __init__(self, i: Instruction, places: dict, picked: Picked):
        self.places, self.picked = dict(places), picked
        self.arrays: dict[Operand, int] = {}
        self.shared: dict[tuple[Operand, bool], d.Shared] = {}
        self.tiles: dict[Symbol, Block] = {}
        self.stages: list = []
        self.inner = {i.halves[0].outputs[0] for i in i.stages if i.halves}  # between the halves of an epilogue
        for x in dict.fromkeys(base(x) for stage in flat(i.stages) for x in stage.inputs):
            if self.places.get(x) in self.picked:  # all at first, so that they are under way at the same time
                self._bring(x)
        for stage in flat(i.stages):
            self._add(stage)

    def lowered(self, rows: int) -> Lowered:
        _, begins = packed(list(self.tiles.values()))
        tiles = tuple(d.Tile(self.places[x].number, _columns(x), begins[block]) for x, block in self.tiles.items())
        arrays = tuple(d.Array(place.number, 1) for place in self.arrays)
        chain = d.Chain(arrays, tuple(self.shared.values()), tiles, tuple(self.stages))
        operands = tuple((place, (int(size(at(place.shape, rows))),)) for place in self.arrays)
        return Lowered(chain, operands, (rows,))

    def _add(self, i: Instruction):
        if not i.region:
            for x in i.inputs if is_gradient(i) else i.inputs[:1]:
                self._bring(base(x))
        if is_product(i):
            left, right = self._read(i.inputs[0]), self._shared(i.inputs[1], factor=True)
            stage: object = d.Product(left, right, self._made(i.outputs[0]), i.attrs["tb"])
        elif is_gradient(i):
            left, right = map(self._read, i.inputs)
            stage = d.Gradient(left, right, self._array(self.places[i.outputs[0]]))
        else:
            stage = self._region(i)
        self.stages.append(stage)

    def _bring(self, x: Symbol):
        """What lies in memory and is multiplied, or to be gathered, becomes a tile first."""
        if x not in self.tiles:
            place = self.places[x]
            source, numbers = self.picked.get(place, (place, None))
            ends = self._array(source), None if numbers is None else self._array(numbers)
            self.stages.append(d.Bring(ends[0], self._made(x), ends[1]))

    def _read(self, x: Symbol) -> int:
        """The tile of a value, which the stage that comes next reads."""
        self.tiles[base(x)].dies = len(self.stages)
        return self.places[base(x)].offset

    def _made(self, x: Symbol) -> int:
        """A tile for a value, which the stage that comes next makes."""
        now, number, place = len(self.stages), len(self.tiles), self.places[x]
        if x in self.inner:  # is rounded after its bias is added
            place = replace(place, dtype=x.dtype, half=None)
        self.places[x] = replace(place, segment=d.TILE, offset=number)
        self.tiles[x] = Block([x], on_chip.row_bytes(place.number, _columns(x)), now, now)
        return number

    def _array(self, place: Operand) -> int:
        return self.arrays.setdefault(place, len(self.arrays))

    def _shared(self, x: Symbol, factor: bool) -> int:
        place = self.places[base(x)]
        rows, columns = x.dims if factor else (1, size(x.dims))
        self.shared.setdefault((place, factor), d.Shared(self._array(place), rows, columns, factor))
        return list(self.shared).index((place, factor))

    def _region(self, i) -> d.RowLoop:
        region: Any = by_rows(i.region)
        for x in i.inputs:
            if x in self.tiles:
                self._read(x)
        for x in i.outputs:
            if region.kind[x] in (Kind.FULL, Kind.COLUMN):
                self._made(x)
        one = lower(replace(i, region=region), self.places, 1)
        rows = {self.places[x]: x for x in i.inputs if region.kind[x] is Kind.ROW}
        return d.RowLoop(one.kernel, region.columns, tuple(self._homes(one, rows)))

    def _homes(self, one: Lowered, rows: dict[Operand, Symbol]):
        """Where each array of a loop lies."""
        spilled = {access.array for access in one.kernel.spills}
        for k, (place, _) in enumerate(one.operands):
            if k in spilled:
                yield d.REGISTERS, k
            elif place.segment == d.TILE:
                yield d.TILE, place.offset
            elif place in rows:
                yield d.SHARED, self._shared(rows[place], factor=False)
            else:
                yield d.MEMORY, self._array(place)


def _columns(x: Symbol) -> int:
    """Elements of a row of the batch."""
    return size(x.dims).k
