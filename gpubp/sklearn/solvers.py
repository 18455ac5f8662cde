"""Solvers: which optimizer a name means, what it remembers between calls, and its rate from epoch to epoch."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpubp import optimizers
from gpubp.sklearn.network import Network

SMALLEST_RATE = 1e-6


def optimizer_of(p: Any) -> optimizers.Optimizer:
    """The optimizer that an estimator's parameters describe."""
    rate = p.learning_rate if callable(p.learning_rate) else p.learning_rate_init
    if p.solver == "adam":
        return optimizers.Adam(rate, p.beta_1, p.beta_2, p.epsilon)
    if p.solver == "sgd":
        return optimizers.SGD(rate, p.momentum, p.nesterovs_momentum)
    if p.solver == "lbfgs":
        return optimizers.LBFGS(p.max_iter, p.max_fun, p.tol, change_tolerance=np.finfo(float).eps * 1e7)
    if isinstance(p.solver, str):
        return optimizers.get({"class_name": p.solver, "config": {"learning_rate": rate}})
    return p.solver


def first_rate(p: Any) -> float | None:
    """The learning rate of the first epoch; None where a schedule tells it."""
    rate = optimizer_of(p).learning_rate
    return None if callable(rate) else float(rate)


@dataclass
class Progress:
    """What a solver remembers, in arrays of the host, so that training can go on.

    Arguments:
        learning_rate: of the next epoch; None where a schedule or the optimizer itself knows it.
        slots: the optimizer's arrays, by name.
        updates, steps: how many there have been.
    """

    learning_rate: float | None
    slots: dict[str, np.ndarray] = field(default_factory=dict)
    updates: int = 0
    steps: int = 0

    def enter(self, network: Network):
        """Puts a network's optimizer where this solver stands."""
        model = network.model
        model.reset_optimizer()
        try:
            model.set_optimizer_state(self.slots)
            model.updates, model.iterations = self.updates, self.steps
        except KeyError:  # they are those of another solver: this one begins anew
            model.reset_optimizer()
        if self.learning_rate is not None:
            model.optimizer.learning_rate = self.learning_rate

    def leave(self, network: Network):
        """Takes over where a network's optimizer stands."""
        model = network.model
        self.slots, self.updates, self.steps = model.optimizer_state(), model.updates, model.iterations


class Rate:
    """The learning rate from epoch to epoch: "constant", "invscaling" or "adaptive", which only "sgd" heeds.

    Arguments:
        p: the estimator's parameters.
        progress: whose learning rate changes.
    """

    def __init__(self, p: Any, progress: Progress):
        self.p, self.progress = p, progress
        self.kind = p.learning_rate if p.solver == "sgd" and not callable(p.learning_rate) else "constant"

    def after_epoch(self, samples: int):
        """Goes on after an epoch; `samples` counts those of all epochs."""
        if self.kind == "invscaling":
            self.progress.learning_rate = float(self.p.learning_rate_init) / (samples + 1) ** self.p.power_t

    def on_plateau(self) -> str | None:
        """What is done when nothing improves any more: the text about a smaller rate, or None, which means to stop."""
        if self.kind != "adaptive" or self.progress.learning_rate is None:
            return None
        if self.progress.learning_rate <= SMALLEST_RATE:
            return None
        self.progress.learning_rate /= 5.0
        return f"Setting learning rate to {self.progress.learning_rate:f}"

    @property
    def last_words(self) -> str:
        """What is printed when training stops on a plateau."""
        return "Learning rate too small. Stopping." if self.kind == "adaptive" else "Stopping."
