"""Training, evaluating and predicting on batches that come one after the other, from Sequences and iterables."""

from collections.abc import Iterator

import numpy as np

from gpubp.engine import trees
from gpubp.training import data, exact, loop
from gpubp.training.data import Rows, Stream
from gpubp.training.loop import Position, Runner, Watchers


def refuse_targets(y, sample_weight, validation_split):
    """Raises ValueError for what a stream brings along itself."""
    for name, given in (("y", y), ("sample_weight", sample_weight), ("validation_split", validation_split or None)):
        if given is not None:
            raise ValueError(f"{name} can't be given beside an iterable: it yields (x, y) or (x, y, sample_weight)")


class Tallies:
    """The sums of several runners, each made for batches of another size."""

    def __init__(self):
        self.runners: dict[int, Runner] = {}
        self.before: dict[str, np.ndarray] = {}  # what was there when training was resumed

    def of(self, runner: Runner) -> Runner:
        """The runner, its sums set to 0 when it is first met."""
        if id(runner) not in self.runners:
            self.runners[id(runner)] = runner
            runner.reset()
        return runner

    def sums(self) -> dict[str, np.ndarray]:
        total = dict(self.before)
        for runner in self.runners.values():
            for name, value in runner.sums().items():
                total[name] = total[name] + value if name in total else value
        return total

    def means(self) -> dict[str, float]:
        sums = self.sums()
        tallies = next(iter(self.runners.values())).tallies if self.runners else []
        return {t.name: t.compute({key: sums[f"{t.name}/{key}"] for key in t.total}) for t in tallies}


class StreamTraining(loop.Training):
    """Epochs over a stream of batches. Arguments as of `loop.ArrayTraining`; class_weight: as of `fit`."""

    def __init__(self, model, stream: Stream, shuffle: bool, watchers: Watchers, class_weight):
        super().__init__(model, watchers)
        self.stream, self.class_weight = stream, class_weight
        self.shuffle = shuffle and stream.random_access

    def epoch(self, position):
        tallies = Tallies()
        tallies.before = dict(position.sums) if position.batch else {}
        for batch in self._batches(position):
            if self.model.stop_training:
                break
            self._step(batch, position, tallies)
        if not tallies.runners:
            raise ValueError("the iterable has no batches (left): of a generator, give as many as all epochs need")
        self.stream.end()
        return tallies.means()

    def _batches(self, position: Position) -> Iterator:
        order = None
        if self.stream.random_access:
            from gpubp.ops.philox import permutation

            n = self.stream.length or 0
            order = permutation(n, self.model.seed, position.start) if self.shuffle else np.arange(n)
            order = order[position.batch :]
        return self.stream.batches(order)

    def _step(self, batch, position: Position, tallies: Tallies):
        model = self.model
        self.watchers("on_train_batch_begin", position.batch)
        rows = model._rows(*data.unpacked(batch), self.class_weight, fitting=True)
        runner = tallies.of(model._training_runner(rows, capacity(model, "train", rows)))
        runner.set(step=model.iterations, updates=model.updates, seed=model.seed, learning_rate=model.rate)
        runner.bind(rows.segments() | {"order": np.arange(len(rows))})
        parts = runner.calls(position.batch, self.stream.length or 1 << 62, 0, 1)[2]
        where = f"training, epoch {position.epoch + 1}, step {position.batch + 1}"
        try:
            runner.run(len(rows), 1, parts, lambda more: where)
        finally:
            model.iterations, model.updates = runner.get("step"), runner.get("updates")
            runner.executor.memory.release()
        position.batch += 1
        if self.watchers.batches or self.watchers.progress:
            logs, position.sums = tallies.means(), tallies.sums()
            self.watchers("on_train_batch_end", position.batch - 1, logs)
            self.watchers("on_progress", position.batch, logs)


def capacity(model, mode: str, rows: Rows) -> int:
    """Rows that a program is made for: of one there is already, or as many as this batch has."""
    sources = rows.sources()
    known = [key[3] for key in model._runners if key[0] == mode and key[2] == sources and key[3] >= len(rows)]
    return min(known, default=len(rows))


def evaluate(model, stream: Stream) -> dict[str, float]:
    """The loss and the metrics over all batches."""
    total: dict[str, np.ndarray] = {}
    tallies: list = []
    seen = []
    for k, batch in enumerate(stream.batches(None)):
        rows = model._rows(*data.unpacked(batch), None)
        if exact.metrics_of(model):
            seen.append(rows)
        with model._borrowed("evaluate", rows.sources(), capacity(model, "evaluate", rows)) as runner:
            runner.reset()
            loop.read_all(runner, rows, f"evaluation, batch {k + 1} of the iterable")
            tallies = runner.tallies
            for name, value in runner.sums().items():
                total[name] = total[name] + value if name in total else value
    if not tallies:
        raise ValueError("the iterable has no batches to evaluate on")
    logs = {t.name: t.compute({key: total[f"{t.name}/{key}"] for key in t.total}) for t in tallies}
    return logs | exact.measured(model, seen)


def predict(model, stream: Stream):
    """The outputs for all batches, one after the other."""
    found = []
    for batch in stream.batches(None):
        rows = model._rows(data.unpacked(batch)[0], None, None, None)
        found.append(model._predicted(rows, capacity(model, "predict", rows)))
    if not found:
        raise ValueError("the iterable has no batches to predict for")
    parts = zip(*(trees.flatten(f) for f in found), strict=True)
    return trees.like(found[0], [np.concatenate(p) for p in parts])
