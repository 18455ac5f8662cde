"""Single batches of one shape, again and again: buffers stay where they are, and little is looked up.

A model is ready for batches of a shape from the second one on. Whatever is unusual is left to the long way: `None` is
the answer then, and nothing has changed.
"""

import threading

import numpy as np

from gpubp.backend import current_device
from gpubp.engine import trees
from gpubp.training import feeds, loop

LARGEST = 1 << 16  # elements of a batch that are copied in and out; larger ones are read where they lie
KEPT = 16  # shapes of batches that a model is ready for


def key_of(*arrays):
    """What tells batches of one kind from others; None where there is something else than NumPy's arrays."""
    key = []
    for a in arrays:  # a loop, since every microsecond counts here
        if type(a) is not np.ndarray:
            return None
        key.append((a.shape, a.dtype.char))
    return tuple(key)


def suits(key, rows) -> bool:
    """Whether batches of this kind are worth it: dense arrays of one input and one output, taken as they are."""
    arrays = [*rows.inputs, *rows.targets]
    if key is None or len(rows.inputs) != 1 or len(arrays) != len(key) or rows.weights:
        return False
    return all(a.shape == shape and a.size <= LARGEST for a, (shape, _) in zip(arrays, key, strict=True))


class _Bound:
    """A program bound to buffers for its batch, which nobody else uses."""

    def __init__(self, runner: loop.Runner, variables: list, rows):
        self.runner, self.variables = runner, variables
        self.store = variables[0].store if variables else None
        self.batch = {name: np.empty(a.shape, a.dtype) for name, a in rows.segments().items()}
        self.outputs = feeds.outputs_for(runner, len(rows))
        self.trained = {id(v) for v in variables if v.trainable}
        outputs = {p.segment: out for p, out in zip(runner.outputs, self.outputs, strict=True)}
        runner.bind({**self.batch, **outputs, "order": np.arange(len(rows))})
        self.again = runner.executor.repeat(len(rows))
        self.buffers = list(self.batch.values())

    @property
    def stale(self) -> bool:
        """Whether the variables have moved, or are about to."""
        store = self.store
        if store is None or store.device is not current_device():
            return True
        for v in self.variables:  # noqa: SIM110 (a generator takes twice as long)
            if v.store is not store:
                return True
        return False


class Prediction(_Bound):
    """The outputs for a batch.

    Arguments:
        runner: of the prediction program.
        variables: of the model, which may move to another store.
        rows: an example of the batches.
        gate: of the model.
    """

    def __init__(self, runner: loop.Runner, variables: list, rows, gate):
        super().__init__(runner, variables, rows)
        self.gate, self.turn = gate, threading.Lock()
        self.lone = not isinstance(runner.structure, list | tuple | dict)

    def __call__(self, x: np.ndarray):
        """The outputs; None where it can't be done now: the model has changed, or another thread is at it."""
        if self.stale or not self.turn.acquire(blocking=False):
            return None
        try:
            if not self.gate.enter():
                return None
            try:
                self.buffers[0][...] = x
                self.runner.look_up()
                if self.again():
                    copies = [out.copy() for out in self.outputs]
                    return copies[0] if self.lone else trees.like(self.runner.structure, copies)
                return None
            finally:
                self.gate.leave()
        finally:
            self.turn.release()


class Step(_Bound):
    """A step of training. Arguments as of Prediction; whoever calls it is alone with the model.

    Arguments:
        model: what is trained.
    """

    def __init__(self, runner: loop.Runner, variables: list, rows, model):
        super().__init__(runner, variables, rows)
        self.model, self.layers, self.revision = model, model.flat_layers(), model.optimizer.revision
        self.frozen = [not layer.trainable for layer in self.layers]

    @property
    def stale(self) -> bool:
        trained = all(v.trainable == (id(v) in self.trained) for v in self.variables)
        frozen = [not layer.trainable for layer in self.layers]
        return super().stale or not trained or frozen != self.frozen or self.model.optimizer.revision != self.revision

    def __call__(self, *batch):
        """The loss and the metrics of the batch; None where it can't be done, or was stopped before the update."""
        if self.stale:
            return None
        model, runner = self.model, self.runner
        for buffer, a in zip(self.buffers, batch, strict=True):
            buffer[...] = a
        runner.set(step=model.iterations, updates=model.updates, seed=model.seed, learning_rate=model.rate)
        runner.reset()
        runner.look_up()
        if not self.again():
            return None
        updates = runner.get("updates") if model.optimizer.recovers else model.updates + 1
        model.iterations, model.updates = model.iterations + 1, updates
        return runner.means()
