"""Learning rates as functions of the step, in ops over float64, so that late steps, too, can be told apart."""

from collections.abc import Mapping
from itertools import pairwise
from math import log, pi

import numpy as np

from gpubp import ops
from gpubp.names import lookup
from gpubp.ops.registry import value
from gpubp.optimizers.arguments import check, current


class LearningRateSchedule:
    """Base of schedules: subclasses define `__call__(step)` in ops.

    A schedule takes an int64 scalar, the number of batches before this one, or any array of steps.
    """

    def __call__(self, step):
        """The learning rate at a step."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def get_config(self) -> dict:
        """The arguments that make an equal schedule."""
        return current(self)

    @classmethod
    def from_config(cls, config: dict):
        """A schedule from its configuration."""
        return cls(**config)


class ExponentialDecay(LearningRateSchedule):
    """r d^(step / n), with initial rate r, decay rate d and n decay steps.

    Arguments:
        initial_learning_rate: float of at least 0.
        decay_steps: number > 0.
        decay_rate: float > 0.
        staircase: whether step / n is rounded down. Default False.
        name: default "ExponentialDecay".

    Raises:
        ValueError: for values out of range.

    Source: https://keras.io/api/optimizers/learning_rate_schedules/exponential_decay

    >>> from gpubp.optimizers.schedules import ExponentialDecay
    >>> rate = ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)
    >>> float(rate(0)), float(rate(20))
    (0.1, 0.025)
    """

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase: bool = False, name: str = "ExponentialDecay"
    ):
        check("initial_learning_rate", initial_learning_rate, "at least 0")
        check("decay_steps", decay_steps, "greater than 0")
        check("decay_rate", decay_rate, "greater than 0")
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step):
        periods = _number(step) / self.decay_steps
        return self.initial_learning_rate * ops.power(
            self.decay_rate, ops.floor(periods) if self.staircase else periods
        )


class PiecewiseConstantDecay(LearningRateSchedule):
    """The first value up to and with the step of the first boundary, the second up to the second, and so on.

    Arguments:
        boundaries: list of steps, each greater than the one before.
        values: list of rates, one more than boundaries.
        name: default "PiecewiseConstant".

    Raises:
        ValueError: if the lengths do not fit, or boundaries do not grow.

    Source: https://keras.io/api/optimizers/learning_rate_schedules/piecewise_constant_decay

    >>> from gpubp.optimizers.schedules import PiecewiseConstantDecay
    >>> PiecewiseConstantDecay([5, 8], [1.0, 0.5, 0.1])([0, 5, 6, 8, 9]).tolist()
    [1.0, 1.0, 0.5, 0.5, 0.1]
    """

    def __init__(self, boundaries, values, name: str = "PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                f"values must be one more than boundaries; there are {len(values)} values, {len(boundaries)} boundaries"
            )
        if any(a >= b for a, b in pairwise(boundaries)):
            raise ValueError(f"boundaries must grow; they are {boundaries}")
        for rate in values:
            check("each of values", rate, "at least 0")
        self.boundaries, self.values, self.name = list(boundaries), list(values), name

    def __call__(self, step):
        step = _number(step)
        rate = 0.0 * step + self.values[-1]
        for boundary, before in zip(self.boundaries[::-1], self.values[-2::-1], strict=True):
            rate = ops.where(ops.less_equal(step, boundary), before, rate)
        return rate


class PolynomialDecay(LearningRateSchedule):
    """(r - e) (1 - step / n)^power + e from the initial rate r to the end rate e in n decay steps, then e.

    Arguments:
        initial_learning_rate: float of at least 0.
        decay_steps: number > 0.
        end_learning_rate: float of at least 0. Default 0.0001.
        power: float. Default 1.
        cycle: whether it goes on beyond n, with the first multiple of n that is not below the step in the place of n.
            Default False.
        name: default "PolynomialDecay".

    Raises:
        ValueError: for values out of range.

    Source: https://keras.io/api/optimizers/learning_rate_schedules/polynomial_decay
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ):
        check("initial_learning_rate", initial_learning_rate, "at least 0")
        check("decay_steps", decay_steps, "greater than 0")
        check("end_learning_rate", end_learning_rate, "at least 0")
        self.initial_learning_rate, self.decay_steps = initial_learning_rate, decay_steps
        self.end_learning_rate, self.power, self.cycle, self.name = end_learning_rate, power, cycle, name

    def __call__(self, step):
        step, steps = _number(step), self.decay_steps
        if self.cycle:
            steps = steps * ops.maximum(ops.ceil(step / steps), 1.0)
        else:
            step = ops.minimum(step, steps)
        fall = self.initial_learning_rate - self.end_learning_rate
        return fall * ops.power(1.0 - step / steps, self.power) + self.end_learning_rate


class InverseTimeDecay(LearningRateSchedule):
    """r / (1 + d step / n), with initial rate r, decay rate d and n decay steps.

    Arguments:
        initial_learning_rate: float of at least 0.
        decay_steps: number > 0.
        decay_rate: float of at least 0.
        staircase: whether step / n is rounded down. Default False.
        name: default "InverseTimeDecay".

    Raises:
        ValueError: for values out of range.

    Source: https://keras.io/api/optimizers/learning_rate_schedules/inverse_time_decay
    """

    def __init__(
        self, initial_learning_rate, decay_steps, decay_rate, staircase: bool = False, name: str = "InverseTimeDecay"
    ):
        check("initial_learning_rate", initial_learning_rate, "at least 0")
        check("decay_steps", decay_steps, "greater than 0")
        check("decay_rate", decay_rate, "at least 0")
        self.initial_learning_rate, self.decay_steps, self.decay_rate = initial_learning_rate, decay_steps, decay_rate
        self.staircase, self.name = staircase, name

    def __call__(self, step):
        periods = _number(step) / self.decay_steps
        return self.initial_learning_rate / (
            1.0 + self.decay_rate * (ops.floor(periods) if self.staircase else periods)
        )


class CosineDecay(LearningRateSchedule):
    """A line up from the initial rate to the target, then half a cosine down to alpha times the target.

    Without a target, the cosine begins at once and from the initial rate.

    Arguments:
        initial_learning_rate: float of at least 0.
        decay_steps: number > 0: length of the cosine.
        alpha: float: the share of the rate that is left at the end. Default 0.
        name: default "CosineDecay".
        warmup_target: float of at least 0. Default none.
        warmup_steps: number of at least 0: length of the line. Default 0.

    Raises:
        ValueError: for values out of range.

    Source: I. Loshchilov, F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017;
    https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay

    >>> from gpubp.optimizers.schedules import CosineDecay
    >>> rate = CosineDecay(0.0, decay_steps=100, warmup_target=0.1, warmup_steps=10)
    >>> [round(float(rate(step)), 6) for step in (0, 5, 10, 60, 110, 999)]
    [0.0, 0.05, 0.1, 0.05, 0.0, 0.0]
    """

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        alpha=0.0,
        name: str = "CosineDecay",
        warmup_target=None,
        warmup_steps=0,
    ):
        check("initial_learning_rate", initial_learning_rate, "at least 0")
        check("decay_steps", decay_steps, "greater than 0")
        check("warmup_steps", warmup_steps, "at least 0")
        if warmup_target is not None:
            check("warmup_target", warmup_target, "at least 0")
        self.initial_learning_rate, self.decay_steps, self.alpha = initial_learning_rate, decay_steps, alpha
        self.name, self.warmup_target, self.warmup_steps = name, warmup_target, warmup_steps

    def __call__(self, step):
        step = _number(step)
        if self.warmup_target is None:
            return self.initial_learning_rate * self._share_left(step)
        decayed = self.warmup_target * self._share_left(step - self.warmup_steps)
        if not self.warmup_steps:
            return decayed
        rise = (self.warmup_target - self.initial_learning_rate) / self.warmup_steps
        return ops.where(ops.less(step, self.warmup_steps), rise * step + self.initial_learning_rate, decayed)

    def _share_left(self, step):
        return (1 - self.alpha) * _half_cosine(ops.minimum(step, self.decay_steps) / self.decay_steps) + self.alpha


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine down to alpha times the rate, again and again: t_mul times as long and m_mul times as high each.

    Arguments:
        initial_learning_rate: float of at least 0.
        first_decay_steps: number > 0: length of the first cosine.
        t_mul: number of at least 1. Default 2.
        m_mul: number > 0. Default 1.
        alpha: float: the share of the initial rate that is left at the end. Default 0.
        name: default "SGDRDecay".

    Raises:
        ValueError: for values out of range.

    Source: I. Loshchilov, F. Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017;
    https://keras.io/api/optimizers/learning_rate_schedules/cosine_decay_restarts
    """

    def __init__(
        self, initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name: str = "SGDRDecay"
    ):
        check("initial_learning_rate", initial_learning_rate, "at least 0")
        check("first_decay_steps", first_decay_steps, "greater than 0")
        check("t_mul", t_mul, "at least 1")
        check("m_mul", m_mul, "greater than 0")
        self.initial_learning_rate, self.first_decay_steps = initial_learning_rate, first_decay_steps
        self.t_mul, self.m_mul, self.alpha, self.name = t_mul, m_mul, alpha, name

    def __call__(self, step):
        restarts, done = self._period(_number(step) / self.first_decay_steps)
        height = ops.power(self.m_mul, restarts)
        return self.initial_learning_rate * ((1 - self.alpha) * height * _half_cosine(done) + self.alpha)

    def _period(self, periods):
        """The number of restarts, and the share of the present period that is over.

        The k-th period begins after (1 - t^k) / (1 - t) times the first one's length.
        """
        t = float(self.t_mul)
        if t == 1:
            return ops.floor(periods), periods - ops.floor(periods)
        # Logarithms of powers may come out just below the whole number, a whole period early.
        restarts = ops.floor(ops.log(1.0 + periods * (t - 1)) / log(t) + 1e-9)
        length = ops.power(t, restarts)
        return restarts, (periods - (1.0 - length) / (1 - t)) / length


class OneCycle(LearningRateSchedule):
    """Half a cosine up to the greatest rate, then one down to next to nothing by the last step.

    It begins with max_learning_rate / div_factor and ends with that divided by final_div_factor.

    Arguments:
        max_learning_rate: float > 0.
        total_steps: int: how many batches training will take; more than 1 / pct_start.
        pct_start: share of them that go up, between 0 and 1. Default 0.3.
        div_factor: float > 0. Default 25.
        final_div_factor: float > 0. Default 10000.
        name: default "OneCycle".

    Raises:
        ValueError: for values out of range.

    Source: L. Smith, N. Topin, Super-convergence: very fast training of neural networks using large learning rates,
    2018; arguments and turning points are those of torch.optim.lr_scheduler.OneCycleLR.
    """

    def __init__(
        self,
        max_learning_rate,
        total_steps: int,
        pct_start=0.3,
        div_factor=25.0,
        final_div_factor=10000.0,
        name: str = "OneCycle",
    ):
        check("max_learning_rate", max_learning_rate, "greater than 0")
        check("total_steps", total_steps, "at least 2", int)
        check("pct_start", pct_start, "between 0 and 1")
        check("div_factor", div_factor, "greater than 0")
        check("final_div_factor", final_div_factor, "greater than 0")
        if pct_start * total_steps <= 1:
            raise ValueError(f"total_steps must be greater than 1 / pct_start = {1 / pct_start:g}; it is {total_steps}")
        self.max_learning_rate, self.total_steps, self.pct_start = max_learning_rate, total_steps, pct_start
        self.div_factor, self.final_div_factor, self.name = div_factor, final_div_factor, name

    def __call__(self, step):
        step, top, last = _number(step), self.pct_start * self.total_steps - 1, self.total_steps - 1
        first = self.max_learning_rate / self.div_factor
        done = (ops.minimum(step, last) - top) / (last - top)  # of the way down
        up = _between(self.max_learning_rate, first, step / top)
        down = _between(first / self.final_div_factor, self.max_learning_rate, done)
        return ops.where(ops.less_equal(step, top), up, down)


CLASSES: dict[str, type[LearningRateSchedule]] = {
    c.__name__: c
    for c in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        OneCycle,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(schedule: LearningRateSchedule) -> dict:
    """A schedule as JSON knows it: {"class_name": ..., "config": {...}}."""
    return {"class_name": type(schedule).__name__, "config": schedule.get_config()}


def deserialize(config: Mapping, custom_objects: Mapping | None = None) -> LearningRateSchedule:
    """The schedule of a configuration that `serialize` made.

    Arguments:
        config: {"class_name": ..., "config": {...}}.
        custom_objects: dict of names to classes that are not gpubp's. Default none.

    Raises:
        ValueError: for unknown names and for dicts of another form.
    """
    if {"class_name", "config"} - config.keys():
        raise ValueError(f"a schedule's configuration has 'class_name' and 'config'; this has {sorted(config)}")
    return lookup("schedule", config["class_name"], {**CLASSES, **(custom_objects or {})}).from_config(config["config"])


def serialized_rate(owner: str, rate):
    """A learning rate as JSON knows it. Raises ValueError if it is a plain function."""
    if isinstance(rate, LearningRateSchedule):
        return serialize(rate)
    if callable(rate):
        raise ValueError(f"{owner}: a learning rate that is a function can't be saved, one of the schedules can")
    return float(rate)


def _number(step):
    return ops.cast(value(step), np.float64)


def _half_cosine(share):
    """From 1 at 0 to 0 at 1."""
    return 0.5 * (1.0 + ops.cos(pi * share))


def _between(a: float, b: float, share):
    """From b at 0 to a at 1, along half a cosine."""
    return a + (b - a) * _half_cosine(share)
