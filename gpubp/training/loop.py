"""The loop around the program: epochs, chunks of steps, and what is read between them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from gpubp.engine import trees
from gpubp.engine.diagnose import NonFiniteError, failure
from gpubp.engine.executors.memory import Stopped
from gpubp.engine.plan import SUMS
from gpubp.metrics.base import plain
from gpubp.training.feeds import Feed, feed
from gpubp.training.watchers import Batches, Watchers

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
        self.outputs, self.structure, self.accumulated = made.outputs, made.structure, made.accumulated
        self.accumulate, self.draws, self.strangers = accumulate, made.draws, made.strangers
        memory, self.device = executor.memory, executor.memory.device
        rows = self.program.layout.rows
        self._scalars = {name: memory.view(place, rows) for name, place in self.program.scalars.items()}
        self._totals = {t.name: {key: memory.view(p, rows) for key, p in t.total.items()} for t in self.tallies}
        names = self.program.step
        self._kept = {  # which parts run, by whether a group of accumulated batches begins and ends with the step
            (begins, ends): tuple(n for n in names if (n != "zero" or begins) and (n != "update" or ends))
            for begins in (False, True)
            for ends in (False, True)
        }

    def set(self, **scalars):
        """Sets scalars of the program by name."""
        for name, value in scalars.items():
            self.device.copy(self._scalars[name], value)

    def get(self, scalar: str):
        """The value of a scalar."""
        return self.device.download(self._scalars[scalar]).item()

    def bind(self, arrays: dict):
        """Tells the executor the caller's arrays, by segment."""
        self.executor.memory.bind(**arrays)

    def look_up(self):
        """Takes the values that variables of others have now."""
        for place, variable in self.strangers:
            self.executor.memory.write(place, variable.numpy())

    def reset(self):
        """Sets the sums to 0."""
        self.device.copy(self.executor.memory.buffers[SUMS], 0)

    def sums(self) -> dict[str, np.ndarray]:
        """The sums since `reset`, by "tally/part"."""
        read = self.device.download
        return {f"{name}/{key}": np.array(read(x)) for name, xs in self._totals.items() for key, x in xs.items()}

    def restore(self, sums: dict[str, np.ndarray]):
        """Sets the sums to what `sums` gave before."""
        for name, totals in self._totals.items():
            for key, total in totals.items():
                self.device.copy(total, sums[f"{name}/{key}"])

    def take_over(self, other: "Runner"):
        """Goes on from the sums and the accumulated gradients of another runner."""
        self.restore(other.sums())
        for own, place in zip(self.accumulated, other.accumulated, strict=True):
            self.executor.memory.write(own, other.executor.memory.read(place))

    def means(self) -> dict[str, float]:
        """The loss and the metrics since `reset`."""
        read, totals = self.device.download, self._totals
        return {t.name: plain(t.compute({key: read(x) for key, x in totals[t.name].items()})) for t in self.tallies}

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
        self.look_up()
        start = time.perf_counter()
        try:
            self.executor.run(rows, steps, parts)
        except Stopped as stopped:
            raise failure(self.executor, rows, where(stopped.done)) from None
        return time.perf_counter() - start

    def prepare(self, rows: int):
        """Compiles what batches of so many rows will run, so that time is taken of nothing but running."""
        whole, tail = divmod(rows, self.batch_size)
        sizes = [self.batch_size] * bool(whole) + [tail] * bool(tail)
        kept = dict.fromkeys(self._kept.values() if self.accumulate > 1 else [self._kept[True, True]])
        for size in sizes:
            for parts in kept:
                self.executor.prepare(size, parts)

    def walk(self, rows: int, where, hooks=None, done: int = 0, stop=lambda: False, ready=None):
        """Runs over `rows` rows in batches, the last one as short as it comes out.

        Arguments:
            rows: how many.
            where: gives the text that names a step in an error, from the batches before it.
            hooks: its `longest()` says how many batches may run at once, None for any number; `begin(batches)` and
                `end(batches, rows)` are called with what is done before and after each compiled call. Default none.
            done: batches that are done already.
            stop: asked after each call whether to end here.
            ready: makes sure of the batch after those that are done; how many may run at once from there. Default any.
        """
        batches, tail = -(-rows // self.batch_size), rows % self.batch_size
        while done < batches and not stop():
            if hooks:
                hooks.begin(done)
            longest = hooks and hooks.longest()
            there = ready(done) if ready else self.steps
            size, steps, parts = self.calls(done, batches, tail, min(self.steps, longest or self.steps, there))
            seconds = self.run(size, steps, parts, partial(_later, where, done))
            done += steps
            self._adapt(steps, seconds)
            if hooks:
                hooks.end(done, min(done * self.batch_size, rows))

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

    def means(self) -> dict[str, float]:
        """The loss and the metrics of the epoch so far."""
        raise NotImplementedError

    def prepare(self):
        """Compiles what an epoch runs, as far as it is known."""

    def run(self, epochs: int, initial_epoch: int, validate) -> dict:
        """Trains for epochs `initial_epoch` to `epochs` - 1, or goes on where a callback has put the position.

        Returns the logs of the last epoch.
        """
        model, watchers = self.model, self.watchers
        at = model.position or Position(initial_epoch, 0, model.iterations)
        self.prepare()
        logs: dict = {}
        while at.epoch < epochs and not model.stop_training:
            model.position = at
            watchers("on_epoch_begin", at.epoch)
            logs = self._epoch(at) | validate(at.epoch, watchers)
            at = model.position = Position(at.epoch + 1, 0, model.iterations)
            watchers("on_epoch_end", at.epoch - 1, logs=logs)
        model.position = None
        return logs

    def _epoch(self, at: Position) -> dict[str, float]:
        """The means of an epoch. The loss is NaN if it was so in a step and a callback wants training to end there."""
        try:
            return self.epoch(at)
        except NonFiniteError as error:
            if not self.watchers.accept(error):
                raise
            self.model.stop_training = True
            with np.errstate(invalid="ignore", divide="ignore"):  # perhaps no batch of this epoch is done
                return self.means() | {"loss": float("nan")}


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
        self.position = Position()
        self.length = len(rows) if limit is None else min(len(rows), limit * runner.batch_size)
        self.feed = feed(runner, rows)  # once for all epochs

    def prepare(self):
        self.runner.prepare(self.length)

    def epoch(self, position):
        model, runner = self.model, self.runner
        self.position = position
        order = self._order(position)
        runner.set(step=model.iterations, updates=model.updates, seed=model.seed, learning_rate=model.rate)
        if position.batch:
            runner.restore(position.sums)
        else:
            runner.reset()
        self.feed.begin(order[: self.length], position.batch)
        try:
            runner.walk(
                self.length,
                lambda batch: f"training, epoch {position.epoch + 1}, step {batch + 1}",
                self if self.watchers.watched["train"] or self.watchers.watched["progress"] else None,
                position.batch,
                lambda: model.stop_training,
                self.feed.ready,
            )
        finally:
            model.iterations, model.updates = runner.get("step"), runner.get("updates")
            self.feed.end()
        return self.means()

    def _order(self, position: Position) -> np.ndarray:
        n = len(self.rows)
        if callable(self.shuffle):
            return _checked_order(np.asarray(self.shuffle(n)), n)
        return self.runner.executor.order(n, self.model.seed, position.start) if self.shuffle else np.arange(n)

    def means(self):
        return self.runner.means()

    # What `Runner.walk` calls around its compiled calls

    def longest(self) -> int | None:
        """Batches that may run at once."""
        return self.watchers.batches_until_due()

    def begin(self, done: int):
        """Before a compiled call."""
        if self.watchers.watched["train"]:
            self.watchers("on_train_batch_begin", done)
        self.runner.set(learning_rate=self.model.rate)

    def end(self, done: int, rows: int):
        """After one."""
        model, runner, logs = self.model, self.runner, self.runner.means()
        model.iterations, model.updates, self.position.batch = runner.get("step"), runner.get("updates"), done
        if self.watchers.watched["train"]:
            self.position.sums = runner.sums()
            self.watchers("on_train_batch_end", done - 1, logs=logs)
        self.watchers("on_progress", rows, logs=logs)


def _checked_order(order: np.ndarray, n: int) -> np.ndarray:
    """What a function gives as the order of n rows. Raises ValueError unless these are n ints in 0..n-1."""
    if order.dtype.kind not in "iu" or order.shape != (n,) or not ((order >= 0) & (order < n)).all():
        raise ValueError(
            f"shuffle must give the order of {n} rows, as many ints in 0..{n - 1}; it gave {order.dtype} of shape "
            f"{order.shape}"
        )
    return np.ascontiguousarray(order, np.int64)


def read_all(runner: Runner, fed: Feed, n: int, what: str, hooks=None) -> None:
    """Runs over n rows in the order of the data. Of sparse ones this order is a segment."""
    fed.begin(np.arange(n))
    try:
        runner.walk(n, lambda batch: f"{what}, batch {batch + 1}", hooks, ready=fed.ready)
    finally:
        fed.end()


def evaluate(runner: Runner, rows, watchers: Watchers) -> dict[str, float]:
    """The loss and the metrics over all rows."""
    runner.reset()
    hooks = Batches(watchers, "test", lambda done, n: runner.means()) if watchers.reads("test") else None
    read_all(runner, feed(runner, rows), len(rows), "evaluation", hooks)
    return runner.means()


def predict(runner: Runner, rows, watchers: Watchers):
    """The outputs for all rows, as the model's are put together."""
    fed, n = feed(runner, rows), len(rows)

    def outputs(start, stop):
        return trees.like(runner.structure, fed.read(start, stop))

    def logs(done, stop):
        return {"outputs": outputs((done - 1) * runner.batch_size, stop)}

    hooks = Batches(watchers, "predict", logs) if watchers.reads("predict") else None
    read_all(runner, fed, n, "prediction", hooks)
    return outputs(0, n)
