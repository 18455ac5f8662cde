"""The reference executor: NumPy, op by op, without fusion and without the plan of `work`. It is the oracle."""

from collections.abc import Iterator

import numpy as np

from gpubp.engine.executors.memory import Memory, Stopped
from gpubp.engine.executors.rounding import rounded
from gpubp.engine.fuse import Instruction
from gpubp.engine.plan import Part
from gpubp.engine.program import Program
from gpubp.engine.trace import Symbol
from gpubp.ops.philox import permutation
from gpubp.ops.shapes import at, bound


class Reference:
    """Runs programs step by step. Arguments as of the CPU executor; `memory` to share that of another.

    Products round their factors as the policies of layers ask for, where the device that was planned for does so.
    """

    def __init__(self, program: Program, device, store=None, memory: Memory | None = None):
        self.program, self.memory = program, memory or Memory(program, device, store)

    def run(self, rows: int, steps: int, parts: tuple[str, ...] | None = None) -> int:
        """Runs `steps` batches of `rows` rows, of all parts or those named; how many were done.

        Raises Stopped after a failure.
        """
        self.memory.set_rows(rows)
        for done in range(steps):
            try:
                self._step(rows, parts)
            except (IndexError, FloatingPointError) as error:
                raise Stopped(done, str(error)) from error
            self.memory.advance({s: n * rows for s, n in self.program.moving.items()})
        return steps

    def prepare(self, rows: int, parts: tuple[str, ...] | None = None):
        """Nothing here is compiled."""

    def _step(self, rows, parts):
        there = self.memory
        self.memory = there.on_host()
        try:
            for part in self.program.parts:
                if part.name in (parts or self.program.step):
                    self.run_part(part, rows)
        finally:
            there.take(self.memory)
            self.memory = there

    def order(self, n: int, seed: int, epoch: int) -> np.ndarray:
        """The order in which an epoch visits n rows."""
        return permutation(n, seed, epoch)

    def run_part(self, part: Part, rows: int):
        """Computes into fresh arrays and assigns at the end, all at once."""
        values = Values(part, self.memory, rows)
        for _ in values.compute(part.graph):
            pass
        results = [(place, values[symbol].copy()) for place, symbol in part.assigned]
        for place, array in results:
            self.memory.view(place, rows)[...] = array.reshape(at(place.shape, rows))


class Values:
    """The arrays of symbols, as far as they have been computed."""

    def __init__(self, part: Part, memory: Memory, rows: int):
        self.part, self.memory, self.rows = part, memory, rows
        self.known: dict[Symbol, np.ndarray] = {}

    def __getitem__(self, symbol: Symbol) -> np.ndarray:
        if symbol not in self.known:
            if symbol.op is not None:  # a reshape, the one op that is not an instruction
                self.known[symbol] = self[symbol.inputs[0]].reshape(at(symbol.dims, self.rows))
            else:
                place = symbol.place or self.part.places[symbol]
                self.known[symbol] = self.memory.view(place, self.rows)
        return self.known[symbol]

    def compute(self, instructions: list[Instruction]) -> Iterator[tuple[Instruction, np.ndarray]]:
        """Computes instruction by instruction, and yields each with its result."""
        for i in instructions:
            attrs = {k: bound(v, self.rows) for k, v in i.attrs.items()}
            inputs = [self[x] for x in i.inputs]
            if attrs.get("precision") in self.memory.program.layout.precisions:
                inputs = [rounded(x, attrs["precision"]) for x in inputs]
            with np.errstate(all="ignore"):
                result = np.asarray(i.op.reference(*inputs, **attrs))
            self.known[i.outputs[0]] = result
            yield i, result
