"""The CUDA executor: a program bound to a number of rows becomes launches, and many steps of them one graph."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any

import numpy as np

from gpubp.backend.device import Accelerator
from gpubp.engine.executors.branches import JOIN, branched
from gpubp.engine.executors.calls import Call, Product, own_memory, with_others
from gpubp.engine.executors.capacity import require
from gpubp.engine.executors.graph_size import TRIALS, graph_size, measured
from gpubp.engine.executors.lower_cuda import DONE, FAILED_ROW, OK, SEGMENTS, STATUS, Lowering, lowered, slots
from gpubp.engine.executors.memory import Memory, Stopped
from gpubp.engine.executors.together import together
from gpubp.engine.plan import Operand
from gpubp.engine.program import Program
from gpubp.kernels.cuda import source

KEPT = 8  # tables with graphs: full batches and tails of what is trained, evaluated and predicted


@dataclass
class Table:
    """A program bound to a number of rows: what a step queues, and the graphs of many."""

    queue: list[Callable[[], None]]
    names: list[str]  # of instructions, by the number that a failure leaves
    graphs: dict[int, Any] = field(default_factory=dict)  # by the number of their steps
    size: int | None = None  # steps of a graph, once its launch has been measured
    warm: bool = False  # whether every kernel has run once, which loads it

    def step(self):
        for work in self.queue:
            work()


class CUDA:
    """Runs programs on an accelerator. Nothing waits for it but the end of `run`, which reads how far it came.

    Once for each number of rows, a few steps are waited for, to learn how many a graph should hold.

    Arguments:
        program: what runs.
        device: where the memory is.
        store: the variables' memory; None if the program has none.

    Raises:
        TooLargeError: the program does not fit; names its largest values and a batch that would.
    """

    def __init__(self, program: Program, device: Accelerator, store=None):
        require(program, device, set(store.buffers) if store else set())
        self.program, self.device, self.memory = program, device, Memory(program, device, store)
        self.slots = slots(program)
        self.context = device.alloc(8 * (SEGMENTS + 2 * len(self.slots))).view(np.int64)
        self.tables: dict[Any, Table] = {}
        self._begin: list[Callable[[], None]] | None = None

    def run(self, rows: int, steps: int, parts: tuple[str, ...] | None = None) -> int:
        """Runs `steps` batches of `rows` rows; how many were done. Raises Stopped after a failure.

        Arguments:
            parts: the names of those to run. Default None, all.
        """
        self.memory.set_rows(rows)
        self._set_context()
        for work in self._first():
            work()
        table = self._table(rows, parts or self.program.step)
        self._queue(table, steps)
        words = self.device.download(self.context)
        done = int(words[DONE])
        self.memory.advance({s: n * rows * done for s, n in self.program.moving.items()})
        if words[STATUS] != OK:
            self.tables.clear()  # a block that begins after a failure does not count itself: counters begin anew
            raise Stopped(done, table.names[words[FAILED_ROW]])
        return done

    def prepare(self, rows: int, parts: tuple[str, ...] | None = None):
        """Compiles what `run` with the same arguments runs, if that has not been done."""
        self._first()
        self._table(rows, parts or self.program.step)

    def seconds(self, rows: int, stretch: range, times: int) -> float:
        """The mean duration of a stretch of the program's instructions, run `times` times on one batch of `rows` rows.

        They do what they do in a step: what they change is changed. A failure leaves out what it stops.
        """
        self.memory.set_rows(rows)
        self._set_context()
        groups, _ = lowered(self.program, rows, None, self.device.on_chip)
        calls = together(chain(*groups[stretch.start : stretch.stop]))
        table = Table(self._bound([(call, False) for call in calls], rows), [])
        table.step()
        graph = self._captured(table, 1)
        self.device.synchronise()
        start = time.perf_counter()
        for _ in range(times):
            self.device.replay(graph)
        self.device.synchronise()
        return (time.perf_counter() - start) / times

    def order(self, n: int, seed: int, epoch: int):
        """The order in which an epoch visits n rows: `ops.philox.permutation`, on the device."""
        self.device.copy(self.context, 0)  # whatever stopped a run before
        out = self.device.alloc(8 * n).view(np.int64)
        call = Lowering(n, {}).order(Operand("order", 0, np.dtype(np.int64), (n,)), seed, epoch)
        self._load([call])
        self._bind_call(call, lambda place: out)()
        return out

    def _set_context(self):
        """Begins a run: nothing has failed, nothing is done, and the caller's segments are here."""
        words = np.zeros(self.context.shape, np.int64)
        for segment, slot in self.slots.items():
            buffer = self.memory.buffers[segment]
            words[slot : slot + 2] = self.device.address(buffer), buffer.nbytes
        self.device.copy(self.context, words)

    def _queue(self, table: Table, steps: int):
        if not table.warm:
            table.step()
            table.warm, steps = True, steps - 1
        if table.size is None and steps > TRIALS:
            table.size = graph_size(*measured(self.device, self._graph(table, 1)), len(table.queue))
            steps -= TRIALS
        for size in (table.size or 1, 1):
            count, steps = divmod(steps, size)
            for _ in range(count):
                self.device.replay(self._graph(table, size))

    def _graph(self, table: Table, size: int):
        """The graph of so many steps, captured before or now."""
        if size not in table.graphs:
            table.graphs[size] = self._captured(table, size)
        return table.graphs[size]

    def _captured(self, table: Table, steps: int):
        with self.device.capture() as graph:
            for _ in range(steps):
                table.step()
        return graph

    def _table(self, rows: int, parts) -> Table:
        key = rows, parts
        table = self.tables.pop(key, None) or self._bind(rows, parts)
        while len(self.tables) >= KEPT:
            del self.tables[next(iter(self.tables))]  # the one that has not been used for longest
        self.tables[key] = table
        return table

    def _first(self) -> list[Callable[[], None]]:
        """What a run begins with, which does not depend on the rows."""
        if self._begin is None:
            first = (self.program.first,) if self.program.first else ()
            groups, _ = lowered(self.program, 1, first)
            self._begin = self._bound([(call, False) for call in together(chain(*groups[:-1]))], 1)
        return self._begin

    def _bind(self, rows: int, parts) -> Table:
        """The table for a number of rows: extents change with it, places do not."""
        groups, names = lowered(self.program, rows, parts, self.device.on_chip)
        calls = together(chain(*groups))
        queued = branched(calls) if self.device.branches else [(call, False) for call in calls]
        return Table(self._bound(queued, rows), names)

    def _bound(self, calls, rows: int) -> list[Callable[[], None]]:
        """Calls with their kernels loaded and the arrays of their operands found; some go into the second queue."""
        possible = [x for call, _ in calls if call != JOIN for x in with_others(call)]
        own = {segment: self.device.alloc(n) for segment, n in own_memory(possible).items()}

        def array(place: Operand):
            if place.segment in own:
                return own[place.segment][place.offset : place.offset + place.bytes(rows)].view(place.dtype)
            return self.memory.view(place, rows)

        calls = [(taken, beside) for call, beside in calls for taken in self._taken(call, array)]
        self._load([call for call, _ in calls])
        bound: list[Callable[[], None]] = []
        for call, beside in calls:
            work = self.device.join if call == JOIN else self._bind_call(call, array)
            bound.append(partial(self._beside, work) if beside else work)
        return bound

    def _taken(self, call, array) -> list[Call | Product | str]:
        """A call, or of a product that the library does not take what is called otherwise."""
        if not isinstance(call, Product) or self.device.takes(*_product_of(call, array)):
            return [call]
        return [taken for other in call.otherwise for taken in self._taken(other, array)]

    def _beside(self, work):
        with self.device.branch():
            work()

    def _load(self, calls):
        """Compiles what has not been met on this device, all at once."""
        device, missing = self.device, {}
        for call in calls:
            if isinstance(call, Call) and call.name not in device.kernels:
                missing[call.name] = call
        if missing:
            families = chain(*(call.families for call in missing.values()))
            text = source.compose(families, [call.text for call in missing.values()])
            device.kernels |= device.load(text, list(missing))

    def _bind_call(self, call: Call | Product, array) -> Callable[[], None]:
        if isinstance(call, Product):
            return partial(self.device.gemm, *_product_of(call, array))
        arguments = [self.context, *(array(x) if isinstance(x, Operand) else x for x in call.arguments)]
        kernel, shape = self.device.kernels[call.name], call.shape
        return partial(self.device.launch, kernel, shape.grid, shape.block, arguments, shape.shared)


def _product_of(call: Product, array) -> tuple:
    """What the device is told of a product."""
    return array(call.a), array(call.b), array(call.c), call.shape, call.bias and array(call.bias)
