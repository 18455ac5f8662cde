"""What optimizers have in common. An optimizer is written as ops over one variable, like a layer."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gpubp import ops
from gpubp.optimizers import schedules, stages
from gpubp.optimizers.arguments import check, current, refuse
from gpubp.optimizers.functional import Functional
from gpubp.optimizers.rate import Rate

AVERAGE = "average"  # the slot of the moving average


@dataclass(frozen=True)
class Treatment:
    """How a variable is updated. Neighbours that are treated alike are updated together, as one flat array.

    Arguments:
        rule: like `Optimizer.update_variable`.
        decay: weight decay, None for none.
        constraint: what the new value is passed through, None for nothing.
        flat: whether the variable's shape does not matter.
    """

    rule: Callable
    decay: float | None = None
    constraint: Callable | None = None
    flat: bool = True


class Optimizer(Functional):
    """Base of optimizers: subclasses name their slots and give one variable's update in ops.

    An update goes through stages: gradients are clipped; weights decay, w <- w - rate weight_decay w; the rule of the
    optimizer is applied; the moving average follows; the variable's constraint has the last word.

    Arguments:
        learning_rate: a float of at least 0, or a schedule or function of the step: an int64 scalar, from 0, in
            `gpubp.ops`.
        weight_decay: float of at least 0, independent of the gradient. Default none.
        clipnorm: the largest norm of the gradient of one variable. Default none.
        clipvalue: the largest absolute value of a gradient's element. Default none.
        global_clipnorm: the largest norm of all gradients together. Default none; only one of the three can be set.
        use_ema: whether to keep moving averages of the weights, which take their place when training ends.
            Default False.
        ema_momentum: share of the average that is kept at an update, from 0 to 1. Default 0.99.
        ema_overwrite_frequency: after every so many updates, too, the averages take the place of the weights.
            Default never.
        loss_scale_factor: what the loss is multiplied by before it is differentiated: by `fit`, or by whoever calls
            `update` and `apply`; all three divide the gradients by it. Default 1.
        gradient_accumulation_steps: how many batches, at least 2, an update takes together. Default 1. Schedules count
            batches; everything else counts updates.
        name: default the class's name in lower case.
        weight_decay_exclusions: list of regular expressions; variables in whose names one is found do not decay. See
            `exclude_from_weight_decay`. Default none.

    Raises:
        ValueError: for values out of range, and for arguments that are not known.
    """

    slots: tuple[str, ...] = ()  # names of arrays of the variable's shape that the rule keeps
    recovers = False  # whether gradients that are not finite are left to it

    def __init__(
        self,
        learning_rate: Any,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        weight_decay_exclusions: list[str] | None = None,
        **unknown,
    ):
        refuse(self, unknown)
        clips = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        positive = {**clips, "loss_scale_factor": loss_scale_factor}
        if sum(limit is not None for limit in clips.values()) > 1:
            raise ValueError(f"only one of clipnorm, clipvalue and global_clipnorm can be set; they are {clips}")
        for argument, value in positive.items():
            if value is not None:
                check(argument, value, "greater than 0")
        if weight_decay is not None:
            check("weight_decay", weight_decay, "at least 0")
        check("ema_momentum", ema_momentum, "from 0 to 1")
        if ema_overwrite_frequency is not None:
            check("ema_overwrite_frequency", ema_overwrite_frequency, "at least 1", int)
        if gradient_accumulation_steps is not None:
            check("gradient_accumulation_steps", gradient_accumulation_steps, "at least 2", int)
        super().__init__()
        self._learning_rate = _checked_rate(learning_rate)
        self.weight_decay = weight_decay
        self.clipnorm, self.clipvalue, self.global_clipnorm = clipnorm, clipvalue, global_clipnorm
        self.use_ema, self.ema_momentum = use_ema, ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor, self.gradient_accumulation_steps = loss_scale_factor, gradient_accumulation_steps
        self.name = name or type(self).__name__.lower()
        self.weight_decay_exclusions = weight_decay_exclusions
        self.iterations = 0  # updates done by the model that it trains, or by `apply`

    @property
    def learning_rate(self):
        """The learning rate as it was set: a float, a schedule or a function. It may change between updates.

        A float has `assign`, which sets it as well. Raises TypeError where a number is to take the place of a schedule
        or function.
        """
        rate = self._learning_rate
        return rate if callable(rate) else Rate(rate, self)

    @learning_rate.setter
    def learning_rate(self, rate):
        rate = _checked_rate(rate)
        if callable(self._learning_rate) and not callable(rate):
            raise TypeError(f"the learning rate of {self.name!r} is a function of the step, not a number one can set")
        if callable(rate):
            self.forget()
        self._learning_rate = rate

    def rate_at(self, rate, step):
        """The learning rate as a value: a schedule is recorded, a number is read, so that it may change."""
        return self.learning_rate(step) if callable(self.learning_rate) else rate

    def update_variable(self, parameter, gradient, rate, step, slots: dict):
        """The new value of a variable and of its slots, in ops; `step` counts updates from 0."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_variable")

    @property
    def all_slots(self) -> tuple[str, ...]:
        """The names of all arrays that are kept for each variable."""
        return (*self.slots, AVERAGE) if self.use_ema else self.slots

    @property
    def numbers(self) -> dict[str, float]:
        """The names of what is kept once, beside the slots, and what it begins from."""
        return {}

    def initial(self, slot: str, parameter):
        """What a slot of a variable begins from: a number or an array. Default 0."""
        return parameter if slot == AVERAGE else 0.0

    def exclude_from_weight_decay(self, var_list=None, var_names: list[str] | None = None):
        """Takes variables out of weight decay; called before training, it sets `weight_decay_exclusions` anew.

        Arguments:
            var_list: list of variables, which are known by their names.
            var_names: list of regular expressions that are looked for in names, such as ["bias"]. The names in nested
                dicts and lists are paths, such as "dense/0/bias".
        """
        exact = [f"^{re.escape(v.name)}$" for v in var_list or []]
        self.weight_decay_exclusions = [*exact, *(var_names or [])]
        self.forget()

    def treatment(self, variable) -> Treatment:
        """How a variable, which has a name and a shape, is updated."""
        constraint = getattr(variable, "constraint", None)
        decay = self.decay_of(variable, self.weight_decay)
        return Treatment(self.update_variable, decay, constraint, flat=constraint is None)

    def decay_of(self, variable, amount: float | None) -> float | None:
        """The amount, None where the variable is excluded from weight decay."""
        excluded = any(re.search(name, variable.name) for name in self.weight_decay_exclusions or [])
        return None if excluded else amount

    def loss_scale(self, numbers: dict):
        """What the loss is multiplied by before it is differentiated: a float, or in ops over the `numbers`."""
        return self.loss_scale_factor or 1.0

    def due(self, gradients: list):
        """Whether the gradients are to be used, in ops; None where they always are."""

    def numbers_after(self, due, numbers: dict) -> dict:
        """The new `numbers`, in ops, from what `due` has answered."""
        return {}

    def shared_factor(self, gradients, share):
        """What all gradients are multiplied by: a share, and less where their norm together is over its limit."""
        if self.global_clipnorm is None:
            return share
        return stages.limited(share, share * stages.norm(gradients), self.global_clipnorm)

    def advance(self, treatment: Treatment, parameter, gradient, factor, rate, updates, slots: dict):
        """All stages of the update of one variable, or of a run of variables that are treated alike, in ops.

        Arguments:
            treatment: of the variable.
            parameter, gradient: symbols or arrays of one shape.
            factor: of the gradient, from `shared_factor`.
            rate: the learning rate, a scalar.
            updates: how many there were before, an int64 scalar.
            slots: by name, arrays of the parameter's shape.

        Returns:
            (new parameter, new values of those slots that change).
        """
        rate, factor = stages.as_dtype(rate, parameter.dtype), stages.as_dtype(factor, parameter.dtype)
        gradient = self._clipped(gradient, factor)
        parameter = stages.decayed(parameter, rate, treatment.decay)
        parameter, changed = treatment.rule(parameter, gradient, rate, updates, slots)
        if self.use_ema:
            parameter, average = self._averaged(parameter, slots[AVERAGE], updates)
            changed = {**changed, AVERAGE: average}
        return (treatment.constraint(parameter) if treatment.constraint else parameter), changed

    def _clipped(self, gradient, factor):
        if self.clipnorm is not None:
            length = ops.cast(factor * stages.norm([gradient]), gradient.dtype)
            factor = stages.limited(factor, length, self.clipnorm)
        gradient = gradient * factor
        return gradient if self.clipvalue is None else ops.clip(gradient, -self.clipvalue, self.clipvalue)

    def _averaged(self, parameter, average, updates):
        """The parameter, which the average overwrites when its time has come, and the average."""
        average = stages.averaged(average, parameter, updates, self.ema_momentum)
        if self.ema_overwrite_frequency is None:
            return parameter, average
        return ops.where(stages.every(self.ema_overwrite_frequency, updates + 1), average, parameter), average

    def scale_loss(self, loss):
        """The loss as `update` and `apply` expect that it was differentiated."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    def finalize_variable_values(self, var_list):
        """Puts the moving averages in the place of the variables, when training is over."""
        if self.use_ema and self.iterations:
            for variable in var_list:
                variable.assign(self.slot(AVERAGE, variable))

    def get_config(self) -> dict:
        """The arguments that make an equal optimizer. Raises ValueError if the learning rate is a plain function."""
        config = current(self)
        if "learning_rate" in config:
            config["learning_rate"] = schedules.serialized_rate(type(self).__name__, self.learning_rate)
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """An optimizer from its configuration; `custom_objects` names schedules that are not gpubp's."""
        rate = config.get("learning_rate")
        if isinstance(rate, dict):
            config = {**config, "learning_rate": schedules.deserialize(rate, custom_objects)}
        return cls(**config)


def _checked_rate(rate):
    rate = schedules.deserialize(rate) if isinstance(rate, dict) else rate
    if not callable(rate):
        check("learning_rate", rate, "at least 0")
    return float(rate) if isinstance(rate, Rate) else rate
