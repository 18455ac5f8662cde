"""What a contender's process does: a task is a generator, which goes on to its next answer when it is asked to."""

import time
from collections.abc import Callable, Iterator
from importlib.metadata import version

import numpy as np

from .case import Case, Problem
from .contenders import Contender

Make = Callable[[], type[Contender]]  # imports what a contender needs
UNTIMED = 1  # samples before the first that counts, for caches and compilers


def step(find: Make, case: Case, problem: Problem, **_) -> Iterator[dict]:
    """Epochs from the initial weights, each with its seconds and its mean loss (None: not compared)."""
    contender = find()(case, problem)
    contender.tune()
    warm = [epoch(contender) for _ in range(UNTIMED)]
    yield introduction(contender) | {"warm": 2 * warm[-1]["seconds"]}
    while True:
        yield epoch(contender)


def epoch(contender: Contender) -> dict:
    """One epoch goes before it untimed: caches have forgotten a process that has waited for its turn."""
    contender.reset()
    contender.epoch()
    contender.reset()
    with Clock() as clock:
        loss = contender.epoch()
    return clock.seconds | {"loss": loss}


def predict(find: Make, case: Case, problem: Problem, rows: int, calls: int, **_) -> Iterator[dict]:
    """The seconds of a prediction, the mean of `calls`, and as loss that of what is predicted for all rows."""
    contender = find()(case, problem)
    contender.reset()
    x = problem.x[:rows]

    def timed():
        contender.predict(x)
        with Clock() as clock:
            for _ in range(calls):
                contender.predict(x)
        return {name: seconds / calls for name, seconds in clock.seconds.items()} | {"loss": loss}

    loss = error(contender.predict(x), problem.y[:rows])
    timed()
    yield introduction(contender) | {"warm": 2 * calls * timed()["seconds"]}
    while True:
        yield timed()


def fit(find: Make, case: Case, problem: Problem, epochs: int, target: float, **_) -> Iterator[dict]:
    """Trains until the test score reaches the target; seconds from the making of the model on, without the scoring.

    `curve` holds seconds and score after each epoch; `seconds` is None if the target was not reached.
    """
    if problem.x_test is None or problem.y_test is None:
        raise ValueError("a score needs test data")
    kind, curve, spent = find(), [], 0.0
    start = time.perf_counter()
    contender = kind(case, problem)
    contender.reset()
    spent += time.perf_counter() - start
    for number in range(epochs):
        start = time.perf_counter()
        contender.shuffle(number)
        contender.epoch()
        spent += time.perf_counter() - start
        curve.append((spent, score(contender.predict(problem.x_test), problem.y_test)))
        if curve[-1][1] >= target:
            break
    reached = curve[-1][1] >= target
    yield introduction(contender) | {"seconds": spent if reached else None, "curve": curve}


def stages(find: Make, case: Case, problem: Problem, **_) -> Iterator[dict]:
    """The life of a process: it imports, trains an epoch, predicts. Who reads the answers measures time and memory."""
    kind = find()
    yield {"stage": "imported"}
    contender = kind(case, problem)
    contender.reset()
    contender.epoch()
    yield introduction(contender) | {"stage": "trained"}
    contender.predict(problem.x)
    yield {"stage": "predicted"}


def instructions(find: Make, case: Case, problem: Problem, **_) -> Iterator[dict]:
    """What `explain(analyze=True)` finds in gpubp's program of a step."""
    contender = find()(case, problem)
    explanation = contender.explain()
    yield introduction(contender) | {"seconds": explanation["step_seconds"], "explanation": explanation}


TASKS = {task.__name__: task for task in (step, predict, fit, stages, instructions)}


class Clock:
    """Wall and processor seconds of what runs inside."""

    def __enter__(self):
        self._begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        ended = time.perf_counter(), time.process_time()
        names = ("seconds", "processor")
        self.seconds = {n: b - a for n, a, b in zip(names, self._begun, ended, strict=True)}


def introduction(contender: Contender) -> dict:
    """What it is."""
    return {"note": contender.note, "versions": {package: version(package) for package in contender.packages}}


def error(out: np.ndarray, y: np.ndarray) -> float:
    """Cross-entropy of probabilities, mean squared error of all else."""
    if y.ndim == 1:
        return float(-np.log(out[np.arange(len(y)), y].astype(float)).mean())
    return float(((out - y) ** 2).mean())


def score(out: np.ndarray, y: np.ndarray) -> float:
    """Accuracy, or the share of the variance that is explained."""
    if y.ndim == 1:
        return float((out.argmax(axis=1) == y).mean())
    return float(1 - ((out - y) ** 2).mean() / y.var())
