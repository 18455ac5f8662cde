"""An executor for tests: the text of the CPU's kernels, run by Python, so that nothing is compiled.

It holds fusion, planning, lowering and generation against the reference for thousands of programs a minute; every
access is checked against the bounds of its segment.
"""

import math
from functools import cache

import numpy as np
from numba.core.dispatcher import Dispatcher

from gpubp.engine.executors.lower import lower
from gpubp.engine.executors.memory import Memory
from gpubp.kernels.cpu import blas, generate, layout
from gpubp.ops.registry import REGISTRY

from ..kernels.calling import from_python

SEGMENT = 1 << 40  # segments lie this far apart; "addresses" are positions on that line


class Library:
    """The functions that expressions name, as NumPy has them."""

    def __init__(self, dtype):
        self.dtype = dtype

    def __getattr__(self, name):
        if name == "cast":
            return self.dtype
        (op,) = (op for op in REGISTRY.values() if op.expression == name)
        return lambda *x: op.reference(*map(np.asarray, x))


class Interpreted:
    """Runs programs as the CPU executor does."""

    def __init__(self, program, device, store=None):
        self.program, self.memory = program, Memory(program, device, store)
        self.context = np.zeros(layout.SEGMENTS + 2 * len(program.segments), np.int64)
        self.context[layout.SGEMM], self.context[layout.DGEMM] = blas.address("sgemm"), blas.address("dgemm")

    def run(self, rows: int, steps: int) -> int:
        self.memory.set_rows(rows)
        for k, segment in enumerate(self.program.segments):
            self.context[layout.SEGMENTS + 2 * k :][:2] = k * SEGMENT, self.memory.buffers[segment].nbytes
        for _ in range(steps):
            for part in self.program.parts:
                for i in part.code:
                    self._call(lower(i, part.places, rows))
        return steps

    def _call(self, lowered):
        row = [0, 0]
        for place, view in lowered.operands:
            row += [layout.SEGMENTS + 2 * self.program.segments.index(place.segment), place.offset, *view]
        names = {"ints": lambda x: x, "operand": self._array, "open_operand": self._open_array}
        for name, dtype in (("f32", np.float32), ("f64", np.float64), ("i64", np.int64), ("b8", np.bool_)):
            names[name] = Library(dtype)
        names |= {"np": np, "added": np.add, "checked_index": _checked_index, "checked_finite": lambda ctx, row, x: x}
        exec(_code(lowered.kernel), names)
        names |= {name: from_python(x) for name, x in names.items() if isinstance(x, Dispatcher)}
        with np.errstate(all="ignore"):
            names["kernel"](self.context, np.array([*row, *lowered.options], np.int64))

    def _array(self, ctx, row, position, dtype, rank):
        return self._viewed(ctx, row, position, dtype, [int(n) for n in row[position + 2 :][:rank]])

    def _open_array(self, ctx, row, position, dtype, rank):
        return self._viewed(ctx, row, position, dtype, [-1, *(int(n) for n in row[position + 3 :][: rank - 1])])

    def _viewed(self, ctx, row, position, dtype, shape):
        k, offset = divmod(int(ctx[row[position]] + row[position + 1]), SEGMENT)
        buffer = self.memory.buffers[self.program.segments[k]]
        end = None if -1 in shape else offset + math.prod(shape) * np.dtype(dtype).itemsize
        assert end is None or end <= buffer.nbytes, "a kernel reaches beyond its segment"
        return buffer[offset:end].view(dtype).reshape(shape)


@cache
def _code(kernel):
    return compile(generate.text(kernel), "kernel", "exec")


def _checked_index(ctx, row, index, n):
    return index if 0 <= index < n else 0
