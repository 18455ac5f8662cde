"""Timing a program: instruction by instruction, and as a whole. The model that it belongs to does not notice."""

import numpy as np

from gpubp.backend import current_device
from gpubp.engine.executors import executor_class
from gpubp.engine.fuse import base
from gpubp.engine.plan import Operand
from gpubp.engine.program import Program
from gpubp.engine.timing import MOST_RUNS, shortest
from gpubp.ops.shapes import at

# A result that takes the place of what it was computed from goes through its instruction again and again: a factor of
# up to 16 keeps it within float32 for this many runs.
RUNS_IN_PLACE = 28
STEP_SECONDS = 0.1


class Copy:
    """The memory of a store, copied, for an executor that may change it."""

    def __init__(self, store, device):
        self.buffers = {segment: device.alloc(len(old)) for segment, old in store.buffers.items()}
        for segment, old in store.buffers.items():
            device.copy(self.buffers[segment], old)


def analysis(program: Program, rows: int, store=None) -> tuple[list[float], float]:
    """The seconds of each instruction alone, in the order of the program, and those of a step."""
    device = current_device()
    executor = executor_class("auto", device)(program, device, Copy(store, device) if store else None)
    executor.memory.bind(**{s: _batch(s, place, rows) for s, place in _callers(program).items()})
    code = [(part, i) for part in program.parts for i in part.code]
    alone = [
        shortest(executor, rows, range(k, k + 1), RUNS_IN_PLACE if _in_place(*code[k], rows) else MOST_RUNS)
        for k in range(len(code))
    ]
    first = sum(part.name == program.first for part, _ in code)
    return alone, shortest(executor, rows, range(first, len(code)), RUNS_IN_PLACE, STEP_SECONDS)


def _callers(program) -> dict[str, Operand]:
    """A place in each of the caller's segments."""
    places = (place for part in program.parts for place in part.places.values())
    return {p.segment: p for p in places if p.segment not in program.layout.sizes}


def _batch(segment: str, place: Operand, rows: int) -> np.ndarray:
    """Data for a batch: rows in any order, the label 0, which every model knows, and numbers from 0 to 1."""
    rng = np.random.default_rng(0)
    if segment == "order":
        return rng.permutation(rows)
    shape = tuple(rows if d == -1 else d for d in at(place.shape, rows))
    return rng.random(shape).astype(place.dtype) if place.dtype.kind == "f" else np.zeros(shape, place.dtype)


def _in_place(part, i, rows) -> bool:
    """Whether the instruction changes what it reads."""
    read = [part.places[base(x)] for x in i.inputs]
    return any(part.places[x].overlaps(place, rows) for x in i.outputs for place in read)
