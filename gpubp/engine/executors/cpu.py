"""The CPU executor: a table of rows for each number of rows of the batch, run by one compiled call for many steps.

Where a run is worth it, several threads run it together: each has rows of its own, with its shares of the instructions,
and they meet between instructions of which one is shared. Else one thread computes the same shares one after the other,
so that the result depends neither on how long a run is nor on who else computes.
"""

import ctypes
import time
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache, partial
from itertools import takewhile
from typing import Any

import numpy as np

from gpubp.backend.team import TEAM
from gpubp.backend.threads import ONE_BLAS_THREAD, team_size
from gpubp.engine.executors import products
from gpubp.engine.executors.lower import Lowered, lower
from gpubp.engine.executors.memory import Memory, Stopped
from gpubp.engine.executors.shares import MEETING_TIME, SPARE, Division, divisible, division
from gpubp.engine.fuse import Instruction
from gpubp.engine.program import Program
from gpubp.kernels.cpu import blas, compile, generate, layout, narrow, processor
from gpubp.kernels.description import Array, Written
from gpubp.ops.philox import SORT_LIMIT

BEGINNING = 200_000  # nanoseconds that it takes, roughly, to have threads begin: others are not worth it
MANY = 1 << 40  # steps: more than any run has
MEETING = Written((), "meeting.meeting", options=2)
TILES = {"float32": layout.STILES, "float64": layout.DTILES}  # where the context says what multiplies by tiles
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


def _failure(context: np.ndarray) -> tuple[int, int, int]:
    """A thread's status and where it failed, after how many instructions: the smallest is the first."""
    status, row = (int(x) for x in context[: layout.FAILED_ROW + 1])
    return (row if status != layout.OK else np.iinfo(np.int64).max), status, row


@cache
def _shuffle(few: bool) -> int:
    """The address of the kernel that draws an order of rows."""
    arrays = (Array("int64", 1), Array("uint64", 1)) if few else (Array("int64", 1),)
    return compile.address(generate.text(Written(arrays, "random.shuffle_few" if few else "random.shuffle", options=2)))


@dataclass
class Task:
    """What one thread does in a step."""

    code: np.ndarray  # int64, the rows one after the other
    starts: np.ndarray  # where each begins
    first: list[int]  # of each instruction its first row, if it had one; and how many rows there are


def _shares(one: Lowered, divided: Division | None) -> list[Lowered]:
    """All that is to be done for an instruction."""
    if divided is None:
        return [one]
    return [*divided.parts, *([divided.after] if divided.after else [])]


def _laid_out(rows: list[list[list[int]]]) -> Task:
    """A task from the rows of each instruction."""
    every = [row for some in rows for row in some]
    ends = np.cumsum([0, *map(len, every)])
    first = np.cumsum([0, *map(len, rows)])
    return Task(np.array([x for row in every for x in row], np.int64), ends[:-1].astype(np.int64), first.tolist())


@dataclass
class Table:
    """A program bound to a number of rows, and to a number of threads that may share it."""

    lone: Task  # of a thread that is alone
    tasks: list[Task]  # of each of the threads; the lone one's if nothing is shared
    guard: int  # the first instruction that does not run after a failure
    moves: np.ndarray  # pairs of a position in the context and the bytes that it advances a step
    instructions: list[Instruction]
    divided: int  # instructions that come in shares
    divisible: float  # the nanoseconds that these take one thread, roughly
    blas: bool  # whether BLAS might take several threads for a product


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
        self.segments = [*program.segments, SPARE]
        self.callers = [s for s in program.segments if s not in program.layout.sizes]
        self.tables: dict[tuple, Table] = {}
        self.context = np.zeros(layout.SEGMENTS + 2 * len(self.segments), np.int64)
        self.context[layout.SGEMM], self.context[layout.DGEMM] = blas.address("sgemm"), blas.address("dgemm")
        multiplied = {i.outputs[0].dtype.name for i in products.of(program)} if processor.WIDE_VECTORS else set()
        self.tiles = {place: generate.tiles(dtype) for dtype, place in TILES.items() if dtype in multiplied}
        self._set_context(program.layout.sizes)
        self.spare = device.alloc(64)
        self.context[self._position(SPARE)] = self.spare.ctypes.data
        self.meeting = device.alloc(8 * layout.MEETING_WORDS).view(np.int64)
        self._run: Any = None  # the loop, from the first table on
        self._small = products.largest(program) <= products.SINGLE

    def run(self, rows: int, steps: int, parts: tuple[str, ...] | None = None) -> int:
        """Runs `steps` batches of `rows` rows, of all parts or those named; how many were done.

        Raises Stopped after a failure.
        """
        self.memory.set_rows(rows)
        table = self._table(rows, parts)
        done, _ = self._call(table, range(len(table.instructions)), table.guard, table.moves, steps)
        self.memory.advance({s: n * rows * done for s, n in self.program.moving.items()})
        if self.context[layout.STATUS] != layout.OK:
            raise Stopped(done, table.instructions[self.context[layout.FAILED_ROW]].name)
        return done

    def repeat(self, rows: int):
        """A function that runs one batch of `rows` rows on the arrays that are bound now, as often as it is called.

        It returns whether all went well. What moves from batch to batch elsewhere stays where it is.
        """
        self.memory.set_rows(rows)
        table, buffers = self._table(rows, None), dict(self.memory.buffers)
        every, none = range(len(table.instructions)), table.moves[:0]
        if self._together(table, 1) or table.blas:
            return lambda kept=buffers: self._call(table, every, table.guard, none, 1)[0] == 1
        self._begin()
        given = self._arguments(table, table.lone, every, table.guard, none, 1, 1)
        run, status, context, arguments = self._run, self.context, self.context.ctypes.data, given.ctypes.data

        def again(kept=(table, given, buffers)):  # which the addresses are of
            status[layout.STATUS] = layout.OK
            run(context, arguments)
            return status[layout.STATUS] == layout.OK

        return again

    def prepare(self, rows: int, parts: tuple[str, ...] | None = None):
        """Compiles what `run` with the same arguments runs, if that has not been done."""
        self.memory.set_rows(rows)
        self._table(rows, parts)

    def seconds(self, rows: int, stretch: range, times: int) -> float:
        """The mean duration of a stretch of the program's instructions, run `times` times on one batch of `rows` rows.

        They do what they do in a step: what they change is changed. A failure ends the runs early.
        """
        self.memory.set_rows(rows)
        table = self._table(rows, None)
        done, taken = self._call(table, stretch, -1, table.moves[:0], times, together=self._together(table, MANY))
        return taken / (done + int(self.context[layout.STATUS] != layout.OK))

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
        """The table for as many threads as may share it now: one, where there is nothing to share."""
        alone = self._bound(rows, parts, 1)
        return self._bound(rows, parts, team_size()) if alone.divided and self.own_products else alone

    def _bound(self, *key) -> Table:
        return self.tables.get(key) or self.tables.setdefault(key, self._bind(*key))

    def _together(self, table: Table, steps: int) -> bool:
        """Whether so many steps are worth it to have threads begin."""
        threads = len(table.tasks)
        saved = table.divisible * (1 - 1 / threads) - 2 * MEETING_TIME * table.divided
        return threads > 1 and saved * steps > BEGINNING

    def _call(self, table, stretch: range, guard: int, moves, steps: int, together=None) -> tuple[int, float]:
        """Runs a stretch of the table's instructions `steps` times; how often it did, and the seconds that it took.

        `together` says whether threads share it. Default None: if so many steps are worth it.
        """
        self._begin()

        def arguments(tasks):
            return [self._arguments(table, task, stretch, guard, moves, steps, len(tasks)) for task in tasks]

        if together is None:
            together = self._together(table, steps)
        start = time.perf_counter()
        with ONE_BLAS_THREAD if (table.blas if self.own_products else self._small) else nullcontext():
            if not together or not self._run_together(given := arguments(table.tasks)):
                given = arguments([table.lone])
                self._run_on(self.context, given[0])
        return int(given[0][layout.DONE]), time.perf_counter() - start

    def _run_on(self, context: np.ndarray, arguments: np.ndarray):
        self._run(context.ctypes.data, arguments.ctypes.data)

    def _run_together(self, arguments: list[np.ndarray]) -> bool:
        """Whether there was a team to do it. Of several that fail the first one's failure counts."""
        self.meeting[:] = 0
        contexts = [self.context, *(self.context.copy() for _ in arguments[1:])]
        pairs = zip(contexts, arguments, strict=True)
        ran = TEAM.run([partial(self._run_on, *pair) for pair in pairs], self._cancel)
        self.context[: layout.FAILED_ROW + 1] = min(map(_failure, contexts))[1:]
        return ran

    def _cancel(self):
        self.meeting[layout.CANCELLED] = 1

    def _arguments(self, table, task, stretch, guard, moves, steps, threads) -> np.ndarray:
        """What the compiled loop gets, as `layout` names it."""
        starts = task.starts[task.first[stretch.start] : task.first[stretch.stop]]
        given = (
            task.code.ctypes.data,
            starts.ctypes.data,
            len(starts),
            task.first[guard] if guard >= 0 else -1,
            len(moves) // 2,
            moves.ctypes.data,
            steps,
            self.meeting.ctypes.data,
            threads,
            0,
        )
        return np.array(given, np.int64)

    def _begin(self):
        """Nothing has failed, and the caller's arrays are where they are now."""
        self.context[layout.STATUS], self.context[layout.OWN] = layout.OK, self.own_products
        self._set_context(self.callers)

    def _set_context(self, segments):
        """Tells the kernels where segments are: the program's own stay where they are, the caller's come and go."""
        for segment in segments:
            buffer = self.memory.buffers[segment]
            self.context[self._position(segment) :][:2] = buffer.ctypes.data, buffer.nbytes

    def _bind(self, rows: int, parts: tuple[str, ...] | None, threads: int) -> Table:
        """The table of all parts or those named for a number of rows: extents change with it, places do not."""
        chosen = [part for part in self.program.parts if parts is None or part.name in parts]
        instructions = [(part, i) for part in chosen for i in part.code]
        lowered = [divisible(products.suited(lower(i, part.places, rows))) for part, i in instructions]
        texts = [_source(i, one.kernel) for (_, i), one in zip(instructions, lowered, strict=True)]
        self._compile(texts)
        before = [part.name for part in takewhile(lambda part: part.name != self.program.guard, self.program.parts)]
        divisions = [division(one, threads) for one in lowered]
        made = list(zip(range(len(lowered)), lowered, texts, divisions, strict=True))
        every = [x for _, one, _, divided in made for x in _shares(one, divided)]
        lone = self._lone(made)
        shared = threads > 1 and any(divisions)
        return Table(
            lone=lone,
            tasks=[self._task(t, made, threads) for t in range(threads)] if shared else [lone],
            guard=sum(part.name in before for part, _ in instructions),
            moves=np.array(
                [x for s, n in self.program.moving.items() for x in (self._position(s), n * rows)], np.int64
            ),
            instructions=[i for _, i in instructions],
            divided=sum(d is not None for d in divisions),
            divisible=sum(d.nanoseconds for d in divisions if d),
            blas=any(map(products.by_threads, every)),
        )

    def _compile(self, texts: list[str]):
        """Compiles what a table of these kernels runs: them, the loop, and what multiplies by tiles."""
        compile.announce([RUN, *self.tiles.values(), *texts])
        self._run = SIGNATURE(compile.address(RUN))
        for position, text in self.tiles.items():
            self.context[position] = compile.address(text)
        for text in texts:
            compile.address(text)

    def _lone(self, made) -> Task:
        """What a thread does that is alone: all shares, one after the other."""
        return _laid_out([[self._row(x, text, k) for x in _shares(one, d)] for k, one, text, d in made])

    def _task(self, thread: int, made, threads: int) -> Task:
        """What one of several threads does: its shares, and if it is the first, what is not shared."""
        rows: list[list[list[int]]] = []
        shared = False
        for number, one, text, divided in made:
            meeting = [compile.address(generate.text(MEETING)), number, self.meeting.ctypes.data, threads]
            rows.append([meeting] if shared or divided else [])
            if divided:
                rows[-1] += self._shared(thread, divided, text, number, meeting)
            elif thread == 0:
                rows[-1].append(self._row(one, text, number))
            shared = divided is not None
        return _laid_out(rows)

    def _shared(self, thread: int, divided: Division, text: str, number: int, meeting: list[int]) -> list[list[int]]:
        """The rows of a thread's share of an instruction."""
        rows = [self._row(divided.parts[thread], text, number)]
        if divided.after:
            rows += [meeting, *([self._row(divided.after, text, number)] if thread == 0 else [])]
        return rows

    def _row(self, lowered: Lowered, text: str, number: int) -> list[int]:
        row = [compile.address(text), number]
        for place, view in lowered.operands:
            row += [self._position(place.segment), place.offset, *view]
        return row + list(lowered.options)

    def _position(self, segment: str) -> int:
        return layout.SEGMENTS + 2 * self.segments.index(segment)
