"""The loop around the program: epochs, chunks of steps, and what is read between them."""

import time

import numpy as np

from gpubp.engine.diagnose import failure
from gpubp.engine.executors.memory import Stopped
from gpubp.ops.shapes import at
from gpubp.training.callbacks import Callback

CHUNK_SECONDS = 0.05  # how long Python waits at most for a signal or to report progress, if a step takes no longer


class Runner:
    """An executor with the sums and scalars of a model's program.

    Arguments:
        made: the ModelProgram.
        executor: runs it.
        batch_size: rows of a full batch.
    """

    def __init__(self, made, executor, batch_size: int):
        self.program, self.sums = made.program, made.sums
        self.executor, self.batch_size, self.steps = executor, batch_size, 1
        self.output = made.output

    def set(self, **scalars):
        """Sets scalars of the program by name."""
        for name, value in scalars.items():
            self.executor.memory.write(self.program.scalars[name], value)

    def get(self, scalar: str):
        """The value of a scalar."""
        return self.executor.memory.read(self.program.scalars[scalar]).item()

    def reset(self):
        """Sets the sums to 0."""
        for one in self.sums:
            for place in (one.total, one.divisor):
                self.executor.memory.write(place, 0)

    def means(self) -> dict[str, float]:
        """The means of the loss and the metrics since `reset`, weighed by what each batch divides by."""
        read = self.executor.memory.read
        with np.errstate(invalid="ignore"):
            return {s.name: float(read(s.total) / read(s.divisor)) for s in self.sums}

    def run(self, rows: int, describe, report=None):
        """Walks over `rows` rows in batches, the last one as short as it comes out.

        Arguments:
            rows: how many.
            describe: gives the text that names a step in an error, from the steps before it.
            report: called with the rows done after each compiled call.

        Raises:
            ValueError, NonFiniteError: what stopped a step, which has changed no variable.
        """
        try:
            self._walk(rows, describe, report)
        finally:
            self.executor.memory.release()

    def _walk(self, rows, describe, report):
        full, tail = divmod(rows, self.batch_size)
        done = 0
        while done < full:
            start, steps = time.perf_counter(), min(self.steps, full - done)
            self._run(self.batch_size, steps, describe, done)
            done += steps
            self._adapt(steps, time.perf_counter() - start)
            if report:
                report(done * self.batch_size)
        if tail:
            self._run(tail, 1, describe, done)
            if report:
                report(rows)

    def _run(self, rows, steps, describe, before):
        try:
            self.executor.run(rows, steps)
        except Stopped as stopped:
            raise failure(self.executor, rows, describe(before + stopped.done)) from None

    def _adapt(self, steps, seconds):
        """Towards chunks of CHUNK_SECONDS; no more than four times as many steps at once as were seen to do."""
        self.steps = max(1, min(4 * steps, int(CHUNK_SECONDS * steps / max(seconds, 1e-9))))


def train(runner: Runner, model, x, y, epochs, initial_epoch, shuffle, callbacks, validate):
    """Trains for epochs `initial_epoch` to `epochs` - 1. The model's count of steps is right even if it is stopped."""
    optimizer = model.optimizer
    rate = 0.0 if callable(optimizer.learning_rate) else optimizer.learning_rate
    for epoch in range(initial_epoch, epochs):
        for c in callbacks:
            c.on_epoch_begin(epoch)
        # By the step at which the epoch begins, so that no two epochs share an order, also those of two calls of fit.
        order = runner.executor.order(len(x), model.seed, model.iterations) if shuffle else np.arange(len(x))
        runner.set(step=model.iterations, seed=model.seed, learning_rate=rate)
        runner.reset()
        runner.executor.memory.bind(x=x, y=y, order=order)
        try:
            runner.run(len(x), _describe("training", epoch), _reporter(runner, callbacks))
        finally:
            model.iterations = runner.get("step")
        logs = runner.means() | validate()
        for c in callbacks:
            c.on_epoch_end(epoch, logs)


def _describe(what, epoch):
    return lambda step: f"{what}, epoch {epoch + 1}, step {step + 1}"


def _reporter(runner, callbacks):
    watching = [c for c in callbacks if type(c).on_progress is not Callback.on_progress]

    def report(rows):
        logs = runner.means()
        for c in watching:
            c.on_progress(rows, logs)

    return report if watching else None


def evaluate(runner: Runner, x, y) -> dict[str, float]:
    """The means of the loss and the metrics over all rows."""
    runner.reset()
    runner.executor.memory.bind(x=x, y=y)
    runner.run(len(x), lambda step: f"evaluation, batch {step + 1}")
    return runner.means()


def predict(runner: Runner, x) -> np.ndarray:
    """The outputs for all rows."""
    device, place = runner.executor.memory.device, runner.output
    out = device.alloc(place.bytes(len(x)))[: place.bytes(len(x))].view(place.dtype).reshape(at(place.shape, len(x)))
    runner.executor.memory.bind(x=x, output=out)
    runner.run(len(x), lambda step: f"prediction, batch {step + 1}")
    return device.download(out)
