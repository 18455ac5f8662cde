"""The loop around the program: epochs, chunks of steps, and what is read between them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gpubp.engine.diagnose import failure
from gpubp.engine.executors.memory import Stopped
from gpubp.ops.shapes import at
from gpubp.training.callbacks import Callback

CHUNK_SECONDS = 0.05  # how long Python waits at most for a signal or to report progress, if a step takes no longer


class Runner:
    """An executor with the tallies and scalars of a model's program.

    Arguments:
        made: the ModelProgram.
        executor: runs it.
        batch_size: rows of a full batch.
        accumulate: batches whose gradients are added up for an update. Default 1.
    """

    def __init__(self, made, executor, batch_size: int, accumulate: int = 1):
        self.program, self.tallies = made.program, made.tallies
        self.executor, self.batch_size, self.steps = executor, batch_size, 1
        self.outputs, self.structure = made.outputs, made.structure
        self.accumulate = accumulate
        names = [part.name for part in self.program.parts]
        self._kept = {  # which parts run, by whether a group of accumulated batches begins and ends with the step
            (begins, ends): tuple(n for n in names if (n != "zero" or begins) and (n != "update" or ends))
            for begins in (False, True)
            for ends in (False, True)
        }

    def set(self, **scalars):
        """Sets scalars of the program by name."""
        for name, value in scalars.items():
            self.executor.memory.write(self.program.scalars[name], value)

    def get(self, scalar: str):
        """The value of a scalar."""
        return self.executor.memory.read(self.program.scalars[scalar]).item()

    def bind(self, arrays: dict):
        """Tells the executor the caller's arrays, by segment."""
        self.executor.memory.bind(**arrays)

    def reset(self):
        """Sets the sums to 0."""
        for tally in self.tallies:
            for places in (tally.batch, tally.total):
                for place in places.values():
                    self.executor.memory.write(place, 0)

    def sums(self) -> dict[str, np.ndarray]:
        """The sums since `reset`, by "tally/part"."""
        read = self.executor.memory.read
        return {f"{t.name}/{key}": np.array(read(place)) for t in self.tallies for key, place in t.total.items()}

    def restore(self, sums: dict[str, np.ndarray]):
        """Sets the sums to what `sums` gave before."""
        for tally in self.tallies:
            for key, place in tally.total.items():
                self.executor.memory.write(place, sums[f"{tally.name}/{key}"])

    def means(self) -> dict[str, float]:
        """The loss and the metrics since `reset`."""
        read = self.executor.memory.read
        return {t.name: t.compute({key: read(place) for key, place in t.total.items()}) for t in self.tallies}

    def calls(self, done: int, batches: int, tail: int, longest: int) -> tuple[int, int, tuple[str, ...]]:
        """The next compiled call after `done` batches: rows of a batch, steps, and the parts that run.

        Arguments:
            done, batches: of the epoch.
            tail: rows of the last batch, if it is a short one; else 0.
            longest: steps at most.
        """
        short = tail and done == batches - 1
        rows, full = (tail, 1) if short else (self.batch_size, batches - done - bool(tail))
        k, place = self.accumulate, done % self.accumulate
        if k == 1:
            return rows, min(longest, full), self._kept[True, True]
        begins, ends = place == 0, place == k - 1 or done == batches - 1
        inner = 1 if begins or ends else min(longest, k - 1 - place, full)
        if not ends and done + inner == batches:  # the group is cut short by the end of the epoch
            inner = max(1, inner - 1)
        return rows, inner, self._kept[begins, ends]

    def run(self, rows: int, steps: int, parts: tuple[str, ...], where: Callable[[int], str]) -> float:
        """One compiled call; how long it took. Raises ValueError or NonFiniteError: what stopped a step.

        `where` names a step in an error, from the steps of this call before it.
        """
        start = time.perf_counter()
        try:
            self.executor.run(rows, steps, parts)
        except Stopped as stopped:
            raise failure(self.executor, rows, where(stopped.done)) from None
        return time.perf_counter() - start

    def walk(self, rows: int, where, report=None, done: int = 0, one_by_one: bool = False, stop=lambda: False):
        """Runs over `rows` rows in batches, the last one as short as it comes out.

        Arguments:
            rows: how many.
            where: gives the text that names a step in an error, from the batches before it.
            report: called with the batches and rows done after each compiled call.
            done: batches that are done already.
            one_by_one: whether each step is a call of its own.
            stop: asked after each call whether to end here.
        """
        batches, tail = -(-rows // self.batch_size), rows % self.batch_size
        while done < batches and not stop():
            size, steps, parts = self.calls(done, batches, tail, 1 if one_by_one else self.steps)
            seconds = self.run(size, steps, parts, partial(_later, where, done))
            done += steps
            self._adapt(steps, seconds)
            if report:
                report(done, min(done * self.batch_size, rows))

    def _adapt(self, steps, seconds):
        """Towards chunks of CHUNK_SECONDS; no more than four times as many steps at once as were seen to do."""
        self.steps = max(1, min(4 * max(steps, self.steps // 4), int(CHUNK_SECONDS * steps / max(seconds, 1e-9))))


def _later(where, begun, more):
    return where(begun + more)


@dataclass
class Position:
    """How far training has come: enough, with weights and slots, to go on bit for bit.

    Arguments:
        epoch: that is under way, or the next one.
        batch: batches of it that are done.
        start: steps done before it, by which its order of rows is drawn.
        sums: of the loss and the metrics so far, as `Runner.sums` gives them.
    """

    epoch: int = 0
    batch: int = 0
    start: int = 0
    sums: dict[str, np.ndarray] = field(default_factory=dict)


class Watchers:
    """The callbacks of a call of fit, evaluate or predict."""

    def __init__(self, callbacks, model, params: dict):
        self.callbacks = list(callbacks)
        for c in self.callbacks:
            c.set_model(model)
            c.set_params(params)
        self.batches = any(_overrides(c, f"on_{kind}_batch_{end}") for c in self.callbacks for kind, end in BATCH_HOOKS)
        self.progress = any(_overrides(c, "on_progress") for c in self.callbacks)

    def __call__(self, hook: str, *arguments, **options):
        for c in self.callbacks:
            getattr(c, hook)(*arguments, **options)


BATCH_HOOKS = [(kind, end) for kind in ("train", "test", "predict") for end in ("begin", "end")]


def _overrides(callback, hook) -> bool:
    return getattr(type(callback), hook, None) is not getattr(Callback, hook)


class Training:
    """Training by epochs: subclasses say what an epoch is.

    Arguments:
        model: what is trained; its counts of steps and updates are right even if training is stopped.
        watchers: the callbacks.
    """

    def __init__(self, model, watchers: Watchers):
        self.model, self.watchers = model, watchers

    def epoch(self, position: Position) -> dict[str, float]:
        """Trains for the rest of an epoch; the means of its losses and metrics."""
        raise NotImplementedError

    def run(self, epochs: int, initial_epoch: int, validate):
        """Trains for epochs `initial_epoch` to `epochs` - 1, or goes on where a callback has put the position."""
        model, watchers = self.model, self.watchers
        at = model.position or Position(initial_epoch, 0, model.iterations)
        while at.epoch < epochs and not model.stop_training:
            model.position = at
            watchers("on_epoch_begin", at.epoch)
            logs = self.epoch(at)
            logs |= validate(at.epoch)
            model.position = Position(at.epoch + 1, 0, model.iterations)
            watchers("on_epoch_end", at.epoch, logs)
            at = model.position
        model.position = None


class ArrayTraining(Training):
    """Epochs over arrays that lie in memory.

    Arguments:
        model, watchers: as of `Training`.
        runner: of the model's training program.
        rows: the data.
        shuffle: whether each epoch has an order of its own; or a function that gives the next one of so many rows.
        limit: batches of an epoch at most. Default all.
    """

    def __init__(self, model, runner: Runner, rows, shuffle, watchers: Watchers, limit: int | None = None):
        super().__init__(model, watchers)
        self.runner, self.rows, self.shuffle = runner, rows, shuffle
        self.length = len(rows) if limit is None else min(len(rows), limit * runner.batch_size)
        upload = runner.executor.memory.device.upload
        self.segments = {name: upload(a) for name, a in rows.segments().items()}  # once for all epochs

    def epoch(self, position):
        model, runner = self.model, self.runner
        order = self._order(position)
        runner.set(step=model.iterations, updates=model.updates, seed=model.seed, learning_rate=model.rate)
        if position.batch:
            runner.restore(position.sums)
        else:
            runner.reset()
        begun = position.batch
        runner.bind({**self.segments, "order": order[begun * runner.batch_size :]})
        try:
            runner.walk(
                self.length,
                lambda batch: f"training, epoch {position.epoch + 1}, step {batch + 1}",
                self._reporter(position),
                begun,
                self.watchers.batches,
                lambda: model.stop_training,
            )
        finally:
            model.iterations, model.updates = runner.get("step"), runner.get("updates")
            runner.executor.memory.release()
        return runner.means()

    def _order(self, position: Position) -> np.ndarray:
        n = len(self.rows)
        if callable(self.shuffle):
            return np.ascontiguousarray(self.shuffle(n), np.int64)
        return self.runner.executor.order(n, self.model.seed, position.start) if self.shuffle else np.arange(n)

    def _reporter(self, position: Position):
        watchers, model, runner = self.watchers, self.model, self.runner
        if not (watchers.batches or watchers.progress):
            return None
        if watchers.batches:
            watchers("on_train_batch_begin", position.batch)

        def report(batches, rows):
            logs = runner.means()
            model.iterations, model.updates, position.batch = runner.get("step"), runner.get("updates"), batches
            watchers("on_progress", rows, logs)
            if watchers.batches:
                position.sums = runner.sums()
                watchers("on_train_batch_end", batches - 1, logs)
                if rows < self.length and not model.stop_training:
                    watchers("on_train_batch_begin", batches)
                runner.set(learning_rate=model.rate)

        return report


def read_all(runner: Runner, rows, what: str) -> None:
    """Runs over rows in the order of the data. Of sparse ones this order is a segment."""
    runner.bind(rows.segments() | {"order": np.arange(len(rows))})
    try:
        runner.walk(len(rows), lambda batch: f"{what}, batch {batch + 1}")
    finally:
        runner.executor.memory.release()


def evaluate(runner: Runner, rows) -> dict[str, float]:
    """The loss and the metrics over all rows."""
    runner.reset()
    read_all(runner, rows, "evaluation")
    return runner.means()


def predict(runner: Runner, rows) -> list[np.ndarray]:
    """The outputs for all rows."""
    device, n = runner.executor.memory.device, len(rows)
    outs = []
    for place in runner.outputs:
        shape = at(place.shape, n)
        outs.append(device.alloc(place.bytes(n))[: place.bytes(n)].view(place.dtype).reshape(shape))
    runner.bind({place.segment: out for place, out in zip(runner.outputs, outs, strict=True)})
    read_all(runner, rows, "prediction")
    return [device.download(out) for out in outs]
