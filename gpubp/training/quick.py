"""Predictions for small batches of one shape, again and again: buffers stay where they are, and little is looked up."""

import threading

import numpy as np

from gpubp.engine import trees
from gpubp.training import loop

LARGEST = 1 << 16  # elements of a batch that are copied in and out; larger ones are read where they lie
KEPT = 8  # shapes of batches that a model is ready for


def suits(key, rows) -> bool:
    """Whether batches of this kind are worth it: (shape, dtype) of one dense array that is taken as it is."""
    x = rows.inputs[0]
    return key is not None and len(rows.inputs) == 1 and x.shape == key[0] and x.size <= LARGEST


class Quick:
    """A bound prediction program.

    Arguments:
        runner: of the prediction program, for as many rows as `x` has, and for nobody else.
        gate: of the model.
        variables: of the model, which may move to another store.
        x: an example of the batches.
    """

    def __init__(self, runner: loop.Runner, gate, variables: list, x: np.ndarray):
        self.gate, self.variables, self.structure = gate, variables, runner.structure
        self.store = variables[0].store if variables else None
        self.x, self.outputs = np.empty(x.shape, x.dtype), loop.outputs_for(runner, len(x))
        runner.bind({"x": self.x} | {p.segment: out for p, out in zip(runner.outputs, self.outputs, strict=True)})
        self._again = runner.executor.repeat(len(x))
        self._turn = threading.Lock()

    @property
    def stale(self) -> bool:
        """Whether the variables have moved."""
        store = self.store
        return any(v.store is not store for v in self.variables)

    def __call__(self, x: np.ndarray):
        """The outputs; None where it can't be done now: the model has changed, or another thread is at it."""
        if self.stale or not self._turn.acquire(blocking=False):
            return None
        try:
            if not self.gate.enter():
                return None
            try:
                self.x[...] = x
                if self._again():
                    return trees.like(self.structure, [out.copy() for out in self.outputs])
                return None
            finally:
                self.gate.leave()
        finally:
            self._turn.release()
