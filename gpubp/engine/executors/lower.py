"""Lowering: an instruction with its places becomes the description of a kernel, its operands and a few integers."""

import struct
from dataclasses import dataclass

from gpubp.engine.epilogues import epilogue
from gpubp.engine.fuse import Instruction, base
from gpubp.engine.plan import Operand
from gpubp.engine.region import AFTER, Kind, Region
from gpubp.kernels import description as d
from gpubp.ops.shapes import Shape, at, bound, broadcast


@dataclass(frozen=True)
class Lowered:
    """A kernel and what it works on: operands with the shapes that it sees them in, then options."""

    kernel: d.Kernel
    operands: tuple[tuple[Operand, tuple[int, ...]], ...]
    options: tuple[int, ...]


def as_float(bits: int) -> float:
    """The float64 of these bits: options are integers."""
    return struct.unpack("d", struct.pack("q", bits))[0]


def lower(instruction: Instruction, places: dict, rows: int) -> Lowered:
    """The kernel of an instruction for a number of rows, which changes extents alone."""
    if instruction.halves:
        return _with_epilogue(instruction, places, rows)
    if instruction.region:
        return _Loop(instruction, instruction.region, places).lowered(rows)
    if instruction.op.kernel:
        return _written(instruction, places, rows)
    return _nest(instruction, places, rows)


def _array(place: Operand, view: Shape) -> d.Array:
    return d.Array(place.number, max(1, len(view)), -1 in view)


def _written(i: Instruction, places, rows) -> Lowered:
    """A kernel of the package, in the shapes that the op's `views` give."""
    ends = [*i.inputs, *i.outputs]
    shapes = [at(x.dims, rows) if x.op or x.place is None else at(x.place.shape, rows) for x in ends]
    attrs = {k: bound(v, rows) for k, v in i.attrs.items()}
    views = [v or (1,) for v in (i.op.views(*shapes, **attrs) if i.op.views else shapes)]
    options = i.op.options(*shapes, **attrs) if i.op.options else ()
    operands = tuple((places[base(x)], view) for x, view in zip(ends, views, strict=True))
    arrays = tuple(_array(place, view) for place, view in operands)
    return Lowered(d.Written(arrays, i.op.kernel, len(options)), operands, tuple(options))


def _with_epilogue(i: Instruction, places, rows) -> Lowered:
    """A product that takes up its bias and perhaps the ReLU."""
    product, reader = i.halves
    one = lower(product, places, rows)
    a, b, c = one.operands
    bias = places[base(i.inputs[-1])]
    operands = (a, b, (bias, c[1][1:]), c)
    arrays = tuple(_array(place, view) for place, view in operands)
    options = (*one.options, int(epilogue(reader) == "relu_bias"))
    return Lowered(d.Written(arrays, "gemm.gemm_bias", len(options)), operands, options)


def _nest(i: Instruction, places, rows) -> Lowered:
    """One elementwise op by a loop for each dimension."""
    out = i.outputs[0]
    ends = [*i.inputs, out]
    padded = [(1,) * (len(out.dims) - len(x.dims)) + tuple(x.dims) for x in ends]
    operands = tuple((places[base(x)], at(dims, rows)) for x, dims in zip(ends, padded, strict=True))
    arrays = tuple(_array(place, view) for place, view in operands)
    loads = tuple(tuple(n != 1 for n in dims) for dims in padded[:-1])
    return Lowered(d.Nest(arrays, loads, i.op.expression, library(i)), operands, at(broadcast(*padded), rows))


def library(step: Instruction) -> str:
    """The dtype whose functions compute a step: that of the result, or of what is asked about (casts are told)."""
    out = step.outputs[0]
    asked = out.dtype.kind == "b" and step.inputs and "dtype" not in step.attrs
    return (step.inputs[0] if asked else out).dtype.name


class _Loop:
    """A region in the terms of the generator: values and arrays by number, so that equal regions share a kernel.

    Arrays are numbered by place: one that is read and written has one name, without which the compiler, fearing an
    overlap, would not vectorise.
    """

    def __init__(self, instruction: Instruction, region: Region, places):
        self.instruction, self.region, self.places = instruction, region, places
        self.values: dict = {}
        self.arrays: dict[tuple, Operand] = {}

    def lowered(self, rows: int) -> Lowered:
        i, region = self.instruction, self.region
        kept = zip(region.spilled(i.outputs), i.scratch, strict=True)
        loads = tuple(self._access(x, x, region.kind[x]) for x in i.inputs)
        steps = tuple(self._step(s) for s in region.steps)
        stores = tuple(self._access(x, x, region.kind[x]) for x in i.outputs)
        spills = tuple(self._access(x, row, Kind.ROW) for x, row in kept)
        extents = at((region.rows, region.columns), rows)
        views = {Kind.SCALAR: (1,), Kind.ROW: extents[1:], Kind.COLUMN: extents[:1], Kind.FULL: extents}
        operands = tuple((place, views[kind]) for (*_, kind), place in self.arrays.items())
        arrays = tuple(_array(place, view) for place, view in operands)
        return Lowered(d.Loop(arrays, loads, steps, stores, spills), operands, extents)

    def _value(self, symbol) -> int:
        return self.values.setdefault(base(symbol), len(self.values))

    def _access(self, symbol, home, kind: Kind) -> d.Access:
        place = self.places[home]
        key = (place.segment, place.offset, place.number, kind)
        self.arrays.setdefault(key, place)
        return d.Access(self._value(symbol), list(self.arrays).index(key), kind.name)

    def _step(self, step: Instruction) -> d.Compute | d.Reduce:
        out, inputs = step.outputs[0], tuple(self._value(x) for x in step.inputs)
        kind, level = self.region.kind[out], self.region.level[out]
        if step.op.reduction:
            x = base(step.inputs[0])
            where = d.INNER if self.region.kind[x] is Kind.FULL else d.IN_ROW
            level = int(self.region.level[x])
            dtype = out.dtype.name
            return d.Reduce(self._value(out), where, level, step.op.reduction, inputs[0], kind.name, dtype)
        where = {
            Kind.FULL: d.INNER,
            Kind.ROW: d.INNER,
            Kind.COLUMN: d.IN_ROW,
            Kind.SCALAR: d.AFTER if level == AFTER else d.BEFORE,
        }[kind]
        level = 0 if level == AFTER else int(level)
        return d.Compute(self._value(out), where, level, step.op.expression, inputs, library(step))
