"""What optimizers have in common. An optimizer is written as ops over one variable, like a layer."""

from collections.abc import Callable

import numpy as np

from gpubp.engine import trees
from gpubp.engine.functions import compile


class Optimizer:
    """Base of optimizers: subclasses name their slots and give one variable's update in ops.

    Arguments:
        learning_rate: a float, or a function of the step (an int64 scalar, from 0) written in `gpubp.ops`.

    Raises:
        ValueError: if the learning rate is a negative number.
    """

    gradient_accumulation_steps: int | None = None
    slots: tuple[str, ...] = ()  # names of arrays of the variable's shape, zeros at first

    def __init__(self, learning_rate: float | Callable):
        if not callable(learning_rate):
            check("learning_rate", learning_rate, learning_rate >= 0, "at least 0")
        self.learning_rate = learning_rate
        self._compiled: Callable | None = None

    def update_variable(self, parameter, gradient, rate, step, slots: dict):
        """The new value of a variable and of its slots, in ops; `step` counts from 0."""
        raise NotImplementedError(f"{type(self).__name__} does not define update_variable")

    def rate_at(self, rate, step):
        """The learning rate as a value: a schedule is recorded, a number is read, so that it may change."""
        return self.learning_rate(step) if callable(self.learning_rate) else rate

    def init(self, params):
        """The state for nested dicts and lists of arrays: the step and, for each slot, zeros of the same structure."""
        zeros = {s: trees.tree_map(lambda p: np.zeros_like(np.asarray(p)), params) for s in self.slots}
        return {"step": np.zeros((), np.int64), **zeros}

    def update(self, grads, state, params):
        """One step: (params, state) after it, from gradients of the structure of `params`; nothing changes in place."""
        if self._compiled is None:
            self._compiled = compile(self._update_tree)
        rate = 0.0 if callable(self.learning_rate) else self.learning_rate
        dtype = np.asarray(trees.flatten(params)[0]).dtype
        return self._compiled(grads, state, params, np.asarray(rate, dtype))

    def _update_tree(self, grads, state, params, rate):
        step = state["step"]
        rate = self.rate_at(rate, step)
        leaves = zip(*(trees.flatten(t) for t in (params, grads, *(state[s] for s in self.slots))), strict=True)
        new = [
            self.update_variable(p, g, rate, step, dict(zip(self.slots, values, strict=True)))
            for p, g, *values in leaves
        ]
        slots = {s: trees.like(params, [values[s] for _, values in new]) for s in self.slots}
        return trees.like(params, [p for p, _ in new]), {"step": step + 1, **slots}

    def __getstate__(self):
        return self.__dict__ | {"_compiled": None}

    def get_config(self) -> dict:
        """The arguments that make an equal optimizer. Raises ValueError if the learning rate is a function."""
        if callable(self.learning_rate):
            raise ValueError(f"{type(self).__name__}: a learning rate that is a function can't be saved")
        return {"learning_rate": float(self.learning_rate)}


def check(name, value, ok, wanted):
    """Raises ValueError for a hyperparameter out of its range."""
    if not ok:
        raise ValueError(f"{name} must be {wanted}; it is {value!r}")
