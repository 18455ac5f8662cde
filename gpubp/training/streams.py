"""Training, evaluating and predicting on batches that come one after the other, from Sequences and iterables."""

from collections.abc import Iterator

import numpy as np

from gpubp.engine import trees
from gpubp.training import data, exact, loop
from gpubp.training.data import Rows, Stream
from gpubp.training.feeds import feed
from gpubp.training.intake import rows_for
from gpubp.training.loop import Position, Runner
from gpubp.training.watchers import Watchers


def refuse_targets(y, sample_weight, validation_split):
    """Raises ValueError for what a stream brings along itself."""
    for name, given in (("y", y), ("sample_weight", sample_weight), ("validation_split", validation_split or None)):
        if given is not None:
            raise ValueError(f"{name} can't be given beside an iterable: it yields (x, y) or (x, y, sample_weight)")


class Tallies:
    """The sums over batches that several runners work on, each made for batches of another size.

    They are handed on from one runner to the next, with accumulated gradients, and add up in the order of the batches.

    Arguments:
        before: what had been added up when training was stopped. Default nothing.
    """

    def __init__(self, before: dict[str, np.ndarray] | None = None):
        self.before = before
        self.runner: Runner | None = None

    def of(self, runner: Runner) -> Runner:
        """The runner, its sums those of all batches so far."""
        if runner is not self.runner:
            if self.runner:
                runner.take_over(self.runner)
            elif self.before:
                runner.restore(self.before)
            else:
                runner.reset()
            self.runner = runner
        return runner

    def sums(self) -> dict[str, np.ndarray]:
        return self.runner.sums() if self.runner else {}

    def means(self) -> dict[str, float]:
        return self.runner.means() if self.runner else {}


class StreamTraining(loop.Training):
    """Epochs over a stream of batches. Arguments as of `loop.ArrayTraining`; class_weight: as of `fit`."""

    def __init__(self, model, stream: Stream, shuffle, watchers: Watchers, class_weight):
        super().__init__(model, watchers)
        self.stream, self.class_weight = stream, class_weight
        self.shuffle = shuffle and stream.random_access
        self.tallies, self.rows = Tallies(), 0

    def epoch(self, position):
        self.tallies, self.rows = Tallies(position.sums if position.batch else None), 0
        self.stream.begin()
        for batch in self._batches(position):
            self._step(batch, position)
            if self.model.stop_training:
                break
        if not self.tallies.runner:
            raise ValueError("the iterable has no batches (left): of a generator, give as many as all epochs need")
        self.stream.end()
        return self.means()

    def means(self):
        return self.tallies.means()

    def _batches(self, position: Position) -> Iterator:
        order = None
        if self.stream.random_access:
            from gpubp.ops.philox import permutation

            n = self.stream.size
            order = permutation(n, self.model.seed, position.start) if self.shuffle else np.arange(n)
            order = order[position.batch : self.stream.length]
        return self.stream.batches(order)

    def _step(self, batch, position: Position):
        model, watchers = self.model, self.watchers
        if watchers.watched["train"]:
            watchers("on_train_batch_begin", position.batch)
        x, y, sample_weight = data.unpacked(batch)
        rows = rows_for(model, x, y, sample_weight, self.class_weight, fitting=True)
        runner = self.tallies.of(model._training_runner(rows, capacity(model, "train", rows)))
        runner.set(step=model.iterations, updates=model.updates, seed=model.seed, learning_rate=model.rate)
        runner.bind(rows.segments() | {"order": np.arange(len(rows))})
        parts = runner.calls(position.batch, self.stream.length or 1 << 62, 0, 1)[2]
        where = f"training, epoch {position.epoch + 1}, step {position.batch + 1}"
        try:
            runner.run(len(rows), 1, parts, lambda more: where)
        finally:
            model.iterations, model.updates = runner.get("step"), runner.get("updates")
            runner.executor.memory.release()
        position.batch, self.rows = position.batch + 1, self.rows + len(rows)
        if watchers.watched["train"] or watchers.watched["progress"]:
            logs = self.means()
            if watchers.watched["train"]:
                position.sums = self.tallies.sums()
                watchers("on_train_batch_end", position.batch - 1, logs=logs)
            watchers("on_progress", self.rows, logs=logs)


def capacity(model, mode: str, rows: Rows) -> int:
    """Rows that a program is made for: of one there is already, or as many as this batch has."""
    sources = rows.sources()
    known = [key[3] for key in model._runners if key[0] == mode and key[2] == sources and key[3] >= len(rows)]
    return min(known, default=len(rows))


def evaluate(model, stream: Stream, watchers: Watchers) -> dict[str, float]:
    """The loss and the metrics over all batches."""
    total: dict[str, np.ndarray] = {}
    means: dict[str, float] = {}
    seen, done = [], 0
    for k, batch in enumerate(stream.batches(None)):
        watchers("on_test_batch_begin", k)
        rows = rows_for(model, *data.unpacked(batch))
        if exact.metrics_of(model):
            seen.append(rows)
        with model._borrowed("evaluate", rows.sources(), capacity(model, "evaluate", rows)) as runner:
            if total:
                runner.restore(total)
            else:
                runner.reset()
            loop.read_all(runner, feed(runner, rows), len(rows), f"evaluation, batch {k + 1} of the iterable")
            total, means = runner.sums(), runner.means()
        done += len(rows)
        watchers("on_test_batch_end", k, logs=means)
        watchers("on_read_progress", done)
    if not total:
        raise ValueError("the iterable has no batches (left) to evaluate on: a generator gives its batches once")
    return means | exact.measured(model, seen)


def predict(model, stream: Stream, watchers: Watchers):
    """The outputs for all batches, one after the other."""
    found, done = [], 0
    for k, batch in enumerate(stream.batches(None)):
        watchers("on_predict_batch_begin", k)
        rows = rows_for(model, data.unpacked(batch)[0])
        found.append(model._predicted(rows, capacity(model, "predict", rows)))
        done += len(rows)
        watchers("on_predict_batch_end", k, logs={"outputs": found[-1]})
        watchers("on_read_progress", done)
    if not found:
        raise ValueError("the iterable has no batches (left) to predict for")
    parts = zip(*(trees.flatten(f) for f in found), strict=True)
    return trees.like(found[0], [np.concatenate(p) for p in parts])
