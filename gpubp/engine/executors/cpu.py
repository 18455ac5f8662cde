"""The CPU executor: a table of rows for each number of rows of the batch, run by one compiled call for many steps."""

import ctypes
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import takewhile

import numpy as np

from gpubp.backend.threads import one_blas_thread
from gpubp.engine.executors import products
from gpubp.engine.executors.lower import Lowered, lower
from gpubp.engine.executors.memory import Memory, Stopped
from gpubp.engine.fuse import Instruction
from gpubp.engine.program import Program
from gpubp.kernels.cpu import blas, compile, generate, layout, narrow, processor
from gpubp.kernels.description import Array, Written
from gpubp.ops.philox import SORT_LIMIT

SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)
RUN = """
from gpubp.kernels.cpu.interpreter import run


def kernel(context, arguments):
    run(context, arguments)
"""


def _source(instruction: Instruction, kernel) -> str:
    """The text of a kernel. Regions of few columns, whose number does not depend on the rows, have one of their own."""
    region = instruction.region
    if region and isinstance(region.columns, int) and region.rows != 1 and narrow.suits(kernel, region.columns):
        return narrow.text(kernel, region.columns)
    return generate.text(kernel)


@cache
def _shuffle(few: bool) -> int:
    """The address of the kernel that draws an order of rows."""
    arrays = (Array("int64", 1), Array("uint64", 1)) if few else (Array("int64", 1),)
    return compile.address(generate.text(Written(arrays, "random.shuffle_few" if few else "random.shuffle", options=2)))


@dataclass
class Table:
    """A program bound to a number of rows."""

    code: np.ndarray  # int64, the rows one after the other
    starts: np.ndarray  # where each begins
    guard: int  # the first row that does not run after a failure
    moves: np.ndarray  # pairs of a position in the context and the bytes that it advances a step
    instructions: list[Instruction]


class CPU:
    """Runs programs with Numba's kernels.

    Arguments:
        program: what runs.
        device: where the memory is.
        store: the variables' memory; None if the program has none.
    """

    own_products = True  # whether products may be computed by tiles; else these are BLAS's

    def __init__(self, program: Program, device, store=None):
        self.program, self.memory = program, Memory(program, device, store)
        self.segments = program.segments
        self.callers = [s for s in self.segments if s not in program.layout.sizes]
        self.tables: dict[tuple, Table] = {}
        self.context = np.zeros(layout.SEGMENTS + 2 * len(self.segments), np.int64)
        self.context[layout.SGEMM], self.context[layout.DGEMM] = blas.address("sgemm"), blas.address("dgemm")
        for dtype, position in {"float32": layout.STILES, "float64": layout.DTILES}.items():
            if processor.WIDE_VECTORS and any(i.outputs[0].dtype == dtype for i in products.of(program)):
                self.context[position] = compile.address(generate.tiles(dtype))
        self._set_context(program.layout.sizes)
        self.arguments = np.zeros(layout.DONE + 1, np.int64)
        self._run = SIGNATURE(compile.address(RUN))
        self._small = products.largest(program) <= products.SINGLE

    def run(self, rows: int, steps: int, parts: tuple[str, ...] | None = None) -> int:
        """Runs `steps` batches of `rows` rows, of all parts or those named; how many were done.

        Raises Stopped after a failure.
        """
        table = self._table(rows, parts)
        self._call(table, table.starts, table.guard, table.moves, steps)
        done = int(self.arguments[layout.DONE])
        self.memory.advance({s: n * rows * done for s, n in self.program.moving.items()})
        if self.context[layout.STATUS] != layout.OK:
            raise Stopped(done, table.instructions[self.context[layout.FAILED_ROW]].name)
        return done

    def repeat(self, rows: int):
        """A function that runs one batch of `rows` rows on the arrays that are bound now, as often as it is called.

        It returns whether all went well. What moves from batch to batch elsewhere stays where it is.
        """
        table = self._table(rows, None)
        self._set_context(self.callers)
        self.context[layout.LIMIT] = products.largest_own() if self.own_products else 0
        arguments = np.array(self._arguments(table, table.starts, table.guard, table.moves[:0], 1), np.int64)
        run, status, context, places = self._run, self.context, self.context.ctypes.data, arguments.ctypes.data

        def again(kept=(table, arguments, dict(self.memory.buffers))):  # which the addresses are of
            status[layout.STATUS] = layout.OK
            run(context, places)
            return status[layout.STATUS] == layout.OK

        return again

    def prepare(self, rows: int, parts: tuple[str, ...] | None = None):
        """Compiles what `run` with the same arguments runs, if that has not been done."""
        self._table(rows, parts)

    def seconds(self, rows: int, stretch: range, times: int) -> float:
        """The mean duration of a stretch of the program's instructions, run `times` times on one batch of `rows` rows.

        They do what they do in a step: what they change is changed. A failure ends the runs early.
        """
        table = self._table(rows, None)
        starts = table.starts[stretch.start : stretch.stop]
        taken = self._call(table, starts, guard=-1, moves=table.moves[:0], steps=times)
        failed = self.context[layout.STATUS] != layout.OK
        return taken / int(self.arguments[layout.DONE] + failed)

    def order(self, n: int, seed: int, epoch: int) -> np.ndarray:
        """The order in which an epoch visits n rows: `ops.philox.permutation`, compiled."""
        arrays = [np.empty(n, np.int64)] + [np.empty(n + 257, np.uint64)] * (n <= SORT_LIMIT)
        kernel = _shuffle(few=n <= SORT_LIMIT)
        places = [x for a in arrays for x in (a.ctypes.data, a.nbytes)]
        context = np.array([0] * layout.SEGMENTS + places, np.int64)
        ends = [x for k, a in enumerate(arrays) for x in (layout.SEGMENTS + 2 * k, 0, len(a))]
        row = np.array([kernel, 0, *ends, seed, epoch], np.int64)
        SIGNATURE(kernel)(context.ctypes.data, row.ctypes.data)
        return arrays[0]

    def _table(self, rows: int, parts: tuple[str, ...] | None) -> Table:
        self.memory.set_rows(rows)
        key = (rows, parts)
        return self.tables.get(key) or self.tables.setdefault(key, self._bind(rows, parts))

    def _call(self, table: Table, starts: np.ndarray, guard: int, moves: np.ndarray, steps: int) -> float:
        """Runs the rows of the table that begin at `starts`, `steps` times; the seconds that it took."""
        self.context[layout.STATUS] = layout.OK
        self._set_context(self.callers)
        self.arguments[:] = self._arguments(table, starts, guard, moves, steps)
        self.context[layout.LIMIT] = products.largest_own() if self.own_products else 0
        start = time.perf_counter()
        with one_blas_thread() if self._small else nullcontext():
            self._run(self.context.ctypes.data, self.arguments.ctypes.data)
        return time.perf_counter() - start

    def _arguments(self, table, starts, guard, moves, steps) -> tuple[int, ...]:
        """What the compiled loop gets, as `layout` names it."""
        return (
            table.code.ctypes.data,
            starts.ctypes.data,
            len(starts),
            guard,
            len(moves) // 2,
            moves.ctypes.data,
            steps,
            0,
        )

    def _set_context(self, segments):
        """Tells the kernels where segments are: the program's own stay where they are, the caller's come and go."""
        for segment in segments:
            buffer = self.memory.buffers[segment]
            self.context[self._position(segment) :][:2] = buffer.ctypes.data, buffer.nbytes

    def _bind(self, rows: int, parts: tuple[str, ...] | None) -> Table:
        """The table of all parts or those named for a number of rows: extents change with it, places do not."""
        chosen = [part for part in self.program.parts if parts is None or part.name in parts]
        instructions = [(part, i) for part in chosen for i in part.code]
        lowered = [products.suited(lower(i, part.places, rows)) for part, i in instructions]
        texts = [_source(i, one.kernel) for (_, i), one in zip(instructions, lowered, strict=True)]
        compile.announce(texts)
        code: list[int] = []
        starts: list[int] = []
        for number, (one, text) in enumerate(zip(lowered, texts, strict=True)):
            starts.append(len(code))
            code += self._row(one, text, number)
        before = [part.name for part in takewhile(lambda part: part.name != self.program.guard, self.program.parts)]
        moves = [x for s, n in self.program.moving.items() for x in (self._position(s), n * rows)]
        return Table(
            code=np.array(code, np.int64),
            starts=np.array(starts, np.int64),
            guard=sum(part.name in before for part, _ in instructions),
            moves=np.array(moves, np.int64),
            instructions=[i for _, i in instructions],
        )

    def _row(self, lowered: Lowered, text: str, number: int) -> list[int]:
        row = [compile.address(text), number]
        for place, view in lowered.operands:
            row += [self._position(place.segment), place.offset, *view]
        return row + list(lowered.options)

    def _position(self, segment: str) -> int:
        return layout.SEGMENTS + 2 * self.segments.index(segment)
