"""Loss scaling: another optimizer, with gradients of a loss that has been made large enough for float16."""

from gpubp import ops
from gpubp.optimizers.arguments import check, refuse
from gpubp.optimizers.base import Optimizer

SMALLEST, LARGEST = 2.0**-64, 2.0**64  # scales from which there is a way back


class LossScaleOptimizer(Optimizer):
    """Multiplies the loss by a scale s before it is differentiated, and the gradients by 1 / s before they are used.

    So gradients that are too small for float16 survive. Where one of them overflows all the same, nothing is updated
    in that step, and s is halved; after as many updates in a row as `dynamic_growth_steps` says, s is doubled. All of
    that happens in the program; s is part of the optimizer's state.

    `compile` puts it around the optimizer of a model with layers of the policy "mixed_float16", unless it is told
    `auto_scale_loss=False`.

    Arguments:
        inner_optimizer: Optimizer that is given the gradients; its own `loss_scale_factor` is set to None.
        initial_scale: float > 0, of the mean loss of a batch. Default 2^15. A scale that is too large is lowered sooner
            than one that is too small is raised.
        dynamic_growth_steps: int of at least 1. Default 2000.
        name: default "loss_scale_optimizer".
        All else is to be set on the inner optimizer, whose learning rate this one has.

    Raises:
        TypeError: if `inner_optimizer` is none, or has a scale of its own.
        ValueError: for values out of range, and for other arguments.

    Source: P. Micikevicius et al., Mixed precision training, ICLR 2018, section 3.2;
    https://keras.io/api/optimizers/loss_scale_optimizer

    >>> from gpubp import optimizers
    >>> optimizer = optimizers.LossScaleOptimizer(optimizers.SGD(0.1))
    >>> optimizer.learning_rate, optimizer.numbers["dynamic_scale"]
    (0.1, 32768.0)
    """

    recovers = True

    def __init__(self, inner_optimizer, initial_scale=2.0**15, dynamic_growth_steps=2000, name=None, **unknown):
        if not isinstance(inner_optimizer, Optimizer) or isinstance(inner_optimizer, LossScaleOptimizer):
            raise TypeError(f"LossScaleOptimizer takes another optimizer; this is {inner_optimizer!r}")
        for argument in unknown:
            if hasattr(inner_optimizer, argument):
                raise ValueError(f"LossScaleOptimizer takes no {argument!r}: set it on the inner optimizer")
        refuse(self, unknown)
        check("initial_scale", initial_scale, "greater than 0")
        check("dynamic_growth_steps", dynamic_growth_steps, "at least 1", int)
        inner_optimizer.loss_scale_factor = None
        self.inner_optimizer = inner_optimizer
        super().__init__(inner_optimizer.learning_rate, name=name or "loss_scale_optimizer")
        self.initial_scale, self.dynamic_growth_steps = float(initial_scale), dynamic_growth_steps

    # What is the inner optimizer's

    @property
    def _learning_rate(self):
        return self.inner_optimizer._learning_rate

    @_learning_rate.setter
    def _learning_rate(self, rate):
        self.inner_optimizer._learning_rate = rate

    @property
    def iterations(self) -> int:
        return self.inner_optimizer.iterations

    @iterations.setter
    def iterations(self, n: int):
        self.inner_optimizer.iterations = n

    @property
    def revision(self) -> int:
        return self.inner_optimizer.revision

    @revision.setter
    def revision(self, n: int):
        self.inner_optimizer.revision = n

    @property
    def gradient_accumulation_steps(self) -> int | None:
        return self.inner_optimizer.gradient_accumulation_steps

    @gradient_accumulation_steps.setter
    def gradient_accumulation_steps(self, n):
        """Stays what the inner optimizer has."""

    @property
    def use_ema(self) -> bool:
        return self.inner_optimizer.use_ema

    @use_ema.setter
    def use_ema(self, value):
        """Stays what the inner optimizer has."""

    @property
    def all_slots(self) -> tuple[str, ...]:
        return self.inner_optimizer.all_slots

    def initial(self, slot, parameter):
        return self.inner_optimizer.initial(slot, parameter)

    def treatment(self, variable):
        return self.inner_optimizer.treatment(variable)

    def shared_factor(self, gradients, share):
        return self.inner_optimizer.shared_factor(gradients, share)

    def advance(self, *arguments):
        return self.inner_optimizer.advance(*arguments)

    # The scale

    @property
    def numbers(self) -> dict[str, float]:
        return {"dynamic_scale": self.initial_scale, "step_counter": 0.0}

    def loss_scale(self, numbers):
        return numbers["dynamic_scale"]

    def scale_loss(self, loss):
        return loss * self._state.get("dynamic_scale", self.initial_scale)

    def due(self, gradients):
        finite = [ops.all(ops.isfinite(g)) for g in gradients]
        together = finite[0]
        for each in finite[1:]:
            together = ops.logical_and(together, each)
        return together

    def numbers_after(self, due, numbers):
        scale, updates = numbers["dynamic_scale"], numbers["step_counter"]
        grows = ops.greater_equal(updates, self.dynamic_growth_steps - 1.0)
        scale = ops.where(due, ops.where(grows, scale * 2.0, scale), scale / 2.0)
        updates = ops.where(ops.logical_and(due, ops.logical_not(grows)), updates + 1.0, 0.0)
        return {"dynamic_scale": ops.clip(scale, SMALLEST, LARGEST), "step_counter": updates}

    # Configuration

    def get_config(self) -> dict:
        from gpubp.optimizers import serialize

        own = {"initial_scale": self.initial_scale, "dynamic_growth_steps": self.dynamic_growth_steps}
        return {"name": self.name, "inner_optimizer": serialize(self.inner_optimizer), **own}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None):
        """An optimizer from its configuration; `custom_objects` names what is not gpubp's.

        Raises ValueError if the inner optimizer is missing.
        """
        from gpubp.optimizers import deserialize

        if "inner_optimizer" not in config:
            raise ValueError("LossScaleOptimizer needs an inner_optimizer: LossScaleOptimizer(optimizers.Adam())")
        return cls(**config | {"inner_optimizer": deserialize(config["inner_optimizer"], custom_objects)})
