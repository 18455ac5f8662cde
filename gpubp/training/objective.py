"""What training looks at: the loss and the metrics of each of a model's outputs."""

from collections.abc import Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from numbers import Real
from typing import Any

from gpubp import losses, metrics


@dataclass
class Goal:
    """What one output is measured by.

    Arguments:
        output: the output's name.
        loss: its loss; None if it has none.
        weight: of its loss among those of all outputs.
        metrics: measured over the rows.
        weighted_metrics: measured with the rows' weights.
    """

    output: str
    loss: losses.Loss | None
    weight: float = 1.0
    metrics: list = field(default_factory=list)
    weighted_metrics: list = field(default_factory=list)

    @property
    def measured(self) -> list[tuple[Any, bool]]:
        """All metrics, and whether each takes the weights."""
        return [*((m, False) for m in self.metrics), *((m, True) for m in self.weighted_metrics)]


@contextmanager
def naming(goal: Goal, goals: Sized):
    """What is raised inside says which output it is about, if there are several."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if len(goals) == 1:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"the output {goal.output!r}: {error}") from error


class Objective:
    """The losses and metrics of `compile`, given for all outputs, by position or by name.

    Arguments:
        loss: name, function or instance; a list or dict of them for several outputs; None.
        loss_weights: list or dict of floats. Default 1 for each output.
        metrics, weighted_metrics: lists of names, functions and instances; for several outputs lists or dicts of lists.

    Raises:
        ValueError: for unknown names.
    """

    def __init__(self, loss=None, loss_weights=None, metrics=None, weighted_metrics=None):
        self.loss = _each(losses.get, loss)
        self.loss_weights = _each(_number, loss_weights)
        self.metrics, self.weighted_metrics = _each(_metric, metrics), _each(_metric, weighted_metrics)

    @property
    def losses(self) -> list:
        """All losses, whatever the outputs."""
        return _leaves(self.loss)

    @property
    def all_metrics(self) -> list:
        """All metrics, whatever the outputs."""
        return [*_leaves(self.metrics), *_leaves(self.weighted_metrics)]

    def goals(self, outputs: list[str]) -> list[Goal]:
        """What each output is measured by.

        Raises ValueError if names or numbers are not those of the outputs.
        """
        by_output = zip(
            outputs,
            _dealt("loss", self.loss, outputs),
            _dealt("loss_weights", self.loss_weights, outputs),
            _dealt_lists("metrics", self.metrics, outputs),
            _dealt_lists("weighted_metrics", self.weighted_metrics, outputs),
            strict=True,
        )
        return [Goal(o, loss, 1.0 if w is None else w, m, wm) for o, loss, w, m, wm in by_output]


def _each(get, given):
    """The structure with `get` applied to what it holds."""
    if isinstance(given, dict) and "class_name" not in given:
        return {name: _each(get, x) for name, x in given.items()}
    if isinstance(given, list | tuple):
        return [_each(get, x) for x in given]
    return None if given is None else get(given)


def _leaves(given) -> list:
    if isinstance(given, dict | list):
        return [x for inner in (given.values() if isinstance(given, dict) else given) for x in _leaves(inner)]
    return [] if given is None else [given]


def _number(weight) -> float:
    if isinstance(weight, bool) or not isinstance(weight, Real) or not isfinite(weight):
        raise ValueError(f"loss_weights are finite numbers; this is {weight!r} (metrics are passed as metrics=...)")
    return float(weight)


def _metric(identifier):
    """A metric; one that is given by its name is called so in the logs."""
    found = metrics.get(identifier)
    if isinstance(identifier, str):
        found.name = identifier
    return found


def _dealt(what, given, outputs) -> list:
    """One for each output; a single one is for all of them."""
    if isinstance(given, dict):
        _known_names(what, given, outputs)
        return [given.get(name) for name in outputs]
    if isinstance(given, list):
        if len(given) != len(outputs):
            raise ValueError(f"{what} has {len(given)} entries; the outputs are {outputs}")
        return given
    return [given] * len(outputs)


def _dealt_lists(what, given, outputs) -> list[list]:
    """A list for each output."""
    several = isinstance(given, list) and len(outputs) > 1
    if several and len(given) != len(outputs) and not any(isinstance(x, list) for x in given):
        raise ValueError(f"{what} of several outputs is a dict by their names {outputs}, or a list of a list for each")
    if given is None or isinstance(given, dict) or several:
        return [x if isinstance(x, list) else [] if x is None else [x] for x in _dealt(what, given, outputs)]
    flat = given if isinstance(given, list) else [given]
    return [[x for y in flat for x in (y if isinstance(y, list) else [y])]] * len(outputs)


def _known_names(what, given, outputs):
    unknown = [name for name in given if name not in outputs]
    if unknown:
        raise ValueError(f"{what} names {unknown}; the outputs are {outputs}")
