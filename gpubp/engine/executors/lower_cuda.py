"""Lowering for CUDA: an instruction becomes launches of kernels, or a product that the library computes."""

from dataclasses import replace
from math import prod

import numpy as np

from gpubp.backend.device import Gemm
from gpubp.engine.epilogues import epilogue
from gpubp.engine.executors.calls import COUNTERS, PARTIALS, SCRATCH, Call, Product
from gpubp.engine.executors.lower import Lowered, as_float, lower
from gpubp.engine.executors.lower_narrow import Picked, lower_chain, picked
from gpubp.engine.fuse import Instruction, base
from gpubp.engine.halves import HALVES
from gpubp.engine.plan import DATA, GRADS, WORK, Operand
from gpubp.engine.program import Program
from gpubp.kernels.cuda import generate, narrow, on_chip, source
from gpubp.kernels.cuda.launch import Launch, flattened, launch, passed, row_sums, spread, sums_apart
from gpubp.kernels.description import INNER, Access, Array, ChainEnd, Compute, Kernel, Loop, Nest, Written

ALIGN = 256  # bytes, of what lies in scratch memory
STATUS, FAILED_ROW, STOPPED, DONE, SEGMENTS = range(5)  # words of the context, as in device.cuh
OK, BAD_INDEX, NOT_FINITE = range(3)
GATHERS = ("gather.take_rows", "gather.take_sparse_rows")
BYTES, COUNTS = np.dtype(np.uint8), np.dtype(np.uint32)


def slots(program: Program) -> dict[str, int]:
    """Of the caller's segments, the words of the context that hold their addresses and lengths."""
    callers = [s for s in program.segments if s not in program.layout.sizes]
    return {s: SEGMENTS + 2 * k for k, s in enumerate(callers)}


def lowered(
    program: Program, rows: int, parts: tuple[str, ...] | None, on_chip: int = 0
) -> tuple[list[list[Call | Product]], list[str]]:
    """What a step of `rows` rows queues: the calls of each instruction, and at last of its end; and their names.

    Arguments:
        parts: the names of those that run. Default None, all of the program.
    """
    chosen = [part for part in program.parts if parts is None or part.name in parts]
    callers = slots(program)
    lowering = Lowering(rows, callers, on_chip, picked(chosen, rows, callers, on_chip))
    calls: list[list[Call | Product]] = []
    names: list[str] = []
    order = [part.name for part in program.parts]
    for part in chosen:
        guarded = program.guard in order[: order.index(part.name) + 1]
        for i in part.code:
            calls.append(lowering.instruction(i, part.places, len(names), guarded))
            names.append(i.name)
    return [*calls, [lowering.advance(program.moving)]], names


class Lowering:
    """Makes calls of instructions.

    Arguments:
        rows: of the batch.
        slots: of the caller's segments, the words of the context that hold their addresses.
        on_chip: bytes of shared memory that the device has for a block. Default 0: no more than every device has.
        picked: what a chain gathers by itself. Default None, nothing.
    """

    def __init__(self, rows: int, slots: dict[str, int], on_chip: int = 0, picked: Picked | None = None):
        self.rows, self.slots, self.on_chip, self.picked = rows, slots, on_chip, picked or {}

    def instruction(self, i: Instruction, places, number: int, guarded: bool) -> list[Call | Product]:
        """What computes an instruction. Nothing of it that outlives the step happens once a failure is known.

        Arguments:
            number: of the instruction, for failures.
            guarded: whether it is skipped in the very step that failed, and not only in those after it.
        """
        if i.stages:
            return self._on_chip(i, places, number, guarded)
        if places[i.outputs[0]] in self.picked:
            return []
        if i.halves:
            return self._with_epilogue(i, places, number, guarded)
        one = lower(i, places, self.rows)
        if i.op is not None and i.op.kernel == "gemm.gemm" and i.outputs[0].dtype.kind == "f":
            return self._product(one, i.attrs.get("precision"), number, guarded)
        call = self._call(one, number, guarded)
        calls: list[Call | Product] = [
            replace(call, independent=_is_gather(i, places)),
            *self._sums(one, number, guarded),
        ]
        if i.op is not None and i.op.kernel == "shaping.write_walk":  # of whose result it reaches a part
            out, view = one.operands[-1]
            kernel = Written((Array(out.dtype.name, 1),), "shaping.zero", 0)
            calls.insert(0, self._call(Lowered(kernel, ((out, view),), ()), number, guarded))
        return calls

    def _with_epilogue(self, i: Instruction, places, number, guarded) -> list[Call | Product]:
        """Both halves at once; one by one where the bias lies in an array of the caller, which may move."""
        *copies, product, reader = (c for half in i.halves for c in self.instruction(half, places, number, guarded))
        bias = places[base(i.inputs[-1])]
        if not isinstance(product, Product) or bias.segment in self.slots:
            return [*copies, product, reader]
        shape = replace(product.shape, epilogue=epilogue(i.halves[1]))
        return [*copies, replace(product, shape=shape, bias=bias, otherwise=(product, reader))]

    def _on_chip(self, i: Instruction, places, number, guarded) -> list[Call | Product]:
        """All stages by one kernel and what ends it, or stage by stage where the device has no room for them.

        Whether the kernel is the faster way is not asked yet: a timing of both would decide it here.
        """
        one = lower_chain(i, places, self.rows, self.picked)
        if on_chip.launch(one.kernel, self.rows).shared > self.on_chip:
            return [call for stage in i.stages for call in self.instruction(stage, places, number, guarded)]
        blocks = on_chip.launch(one.kernel, self.rows).grid[0]
        end = replace(one, kernel=ChainEnd(one.kernel), options=(blocks,))
        return [self._of_chain(x, number, guarded) for x in (one, end)]

    def _of_chain(self, one: Lowered, number, guarded) -> Call:
        shape = on_chip.launch(one.kernel, self.rows)
        moving = self._moving(one)
        text = narrow.text(one.kernel, self.rows, moving)
        arguments = [*self._arguments(one, number, guarded, range(len(moving))), *one.options, *_memory(shape)[1:2]]
        writes = tuple(x for x in arguments if isinstance(x, Operand))
        return Call(text, source.families(one.kernel), shape, tuple(arguments), writes, self.rows)

    def advance(self, moving: dict[str, int]) -> Call:
        """Ends a step."""
        options = tuple(x for s, n in moving.items() for x in (self.slots[s], n * self.rows))
        return self._call(Lowered(Written((), "step.advance", len(options)), (), options), 0, False)

    def order(self, place: Operand, seed: int, epoch: int) -> Call:
        """Puts the order of an epoch's rows at a place."""
        kernel = Written((Array("int64", 1),), "random.shuffle", 2)
        return self._call(Lowered(kernel, ((place, (self.rows,)),), (seed, epoch)), 0, False)

    def _product(self, one: Lowered, precision, number, guarded) -> list[Call | Product]:
        """The library knows neither of failures nor of segments that move: kernels, which do, copy for it.

        What outlives the step is computed in scratch memory first, and arrays of the caller are brought there.
        """
        m, n, k, lda, ldb, ldc, ta, tb, alpha, beta, count, sa, sb, sc = one.options
        scales = as_float(alpha), as_float(beta)
        first = one.operands[0][0]
        precision = first.half if first.half or precision in HALVES else precision
        shape = Gemm(m, n, k, lda, ldb, ldc, bool(ta), bool(tb), *scales, count, sa, sb, sc, precision)
        operands: list[Operand] = []
        copies: list[Lowered] = []
        used = 0
        for (place, view), out in zip(one.operands, (False, False, True), strict=True):
            if (place.segment not in (WORK, GRADS)) if out else (place.segment in self.slots):
                scratch = Operand(SCRATCH, used, place.dtype, (prod(view),), place.half)
                used += -(-scratch.bytes(self.rows) // ALIGN) * ALIGN
                copies.append(_copy(scratch, place, prod(view)) if out else _copy(place, scratch, prod(view)))
                place = scratch
            operands.append(place)
        calls = [self._call(copy, number, guarded) for copy in copies]
        kernel = Lowered(one.kernel, tuple(zip(operands, (view for _, view in one.operands), strict=True)), one.options)
        otherwise = (self._call(kernel, number, guarded),)
        product = Product(operands[0], operands[1], operands[2], shape, self.rows, otherwise=otherwise)
        late = operands[2].segment == SCRATCH
        return [*calls[: len(calls) - late], product, *calls[len(calls) - late :]]

    def _call(self, one: Lowered, number, guarded) -> Call:
        kernel = spread(one.kernel, one.options)
        moving = self._moving(one)
        extents = flattened(kernel, one.options) if not isinstance(kernel, Written) else ()
        shape = launch(kernel, extents, [view for _, view in one.operands])
        text = generate.text(kernel, extents, moving)
        arguments = self._arguments(one, number, guarded, passed(kernel))
        if isinstance(kernel, Written):
            arguments += [max(d, 0) for _, view in one.operands for d in view]
        arguments += extents or one.options
        own = _memory(shape) if isinstance(kernel, Loop) else []
        written = [one.operands[k][0] for k in _written_by(kernel)]
        writes = tuple(x for x in (*written, *own) if x is not None)
        return Call(text, source.families(kernel), shape, (*arguments, *own), writes, self.rows)

    def _sums(self, one: Lowered, number, guarded) -> list[Call]:
        """What adds up the sums over the rows that the blocks of a loop leave, where the last block does not."""
        loop, extents = one.kernel, one.options
        blocks = sums_apart(loop, *extents) if isinstance(loop, Loop) else 0
        if not blocks:
            return []
        columns, calls = extents[1], []
        for k, s in enumerate(row_sums(loop)):
            left = Operand(PARTIALS, 8 * k * blocks * columns, np.dtype(s.dtype), (blocks, columns))
            out = next(one.operands[a.array][0] for a in loop.stores if a.value == s.value)
            kernel = Written((Array(left.number, 3), Array(out.number, 2)), "reduce.reduce_sum", 0)
            summed = Lowered(kernel, ((left, (1, blocks, columns)), (out, (1, columns))), ())
            calls.append(replace(self._call(summed, number, guarded), independent=True))
        return calls

    def _moving(self, one: Lowered) -> tuple[bool, ...]:
        """Which operands lie in segments of the caller."""
        return tuple(place.segment in self.slots for place, _ in one.operands)

    def _arguments(self, one: Lowered, number, guarded, passed) -> list[Operand | int | None]:
        """What every kernel gets: where it sees whether to run, its number, and the operands that are passed."""
        arguments: list[Operand | int | None] = [STATUS if guarded else STOPPED, number]
        for place in (one.operands[k][0] for k in passed):
            moves = place.segment in self.slots
            arguments += [self.slots[place.segment], place.offset] if moves else [place]
        return arguments


def _written_by(kernel: Loop | Nest | Written) -> set[int]:
    """The numbers of the arrays that a kernel writes."""
    if isinstance(kernel, Loop):
        return {a.array for a in kernel.stores}
    return {len(kernel.arrays) - 1} if kernel.arrays else set()


def _is_gather(i: Instruction, places) -> bool:
    """Whether it brings rows of a batch to where they stay, as they are or in half precision."""
    return i.op is not None and i.op.kernel in GATHERS and places[i.outputs[0]].segment.endswith(DATA)


def _memory(shape: Launch) -> list[Operand | None]:
    """What a loop's kernel works with besides its operands."""
    needs = ((SCRATCH, BYTES, shape.scratch), (PARTIALS, BYTES, shape.partials), (COUNTERS, COUNTS, shape.counters))
    return [Operand(segment, 0, dtype, (n,)) if n else None for segment, dtype, n in needs]


def _copy(source_place: Operand, target: Operand, n: int) -> Lowered:
    """Copies n elements."""
    arrays = (Array(target.number, 1),) * 2
    step = Compute(1, INNER, 0, "{0}", (0,), target.dtype.name)
    kernel: Kernel = Loop(arrays, (Access(0, 0, "FULL"),), (step,), (Access(1, 1, "FULL"),), ())
    return Lowered(kernel, ((source_place, (1, n)), (target, (1, n))), (1, n))
