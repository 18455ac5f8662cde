"""Optimizers without a model: of nested dicts and lists of arrays, where nothing changes in place, and of variables."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from gpubp import ops
from gpubp.engine import trees
from gpubp.engine.functions import compile
from gpubp.ops.registry import dims
from gpubp.optimizers import stages

SUMS = "gradients"  # what has been accumulated, in the state


@dataclass(frozen=True)
class Leaf:
    """What an optimizer wants to know of an array: its path as a name, and its shape."""

    name: str
    shape: tuple


class Functional:
    """`init` and `update`, which return what is new, and `apply`, which changes variables."""

    all_slots: Any  # these are the optimizer's own
    numbers: Any
    learning_rate: Any
    gradient_accumulation_steps: int | None
    iterations: int
    initial: Callable
    treatment: Callable
    loss_scale: Callable
    due: Callable
    numbers_after: Callable
    shared_factor: Callable
    advance: Callable
    rate_at: Callable

    def __init__(self):
        self._variables: list = []
        self._state: dict = {}  # of `apply`
        self._compiled: dict[str, Callable] = {}
        self.revision = 0  # programs that were recorded at another one are out of date

    def forget(self):
        """Has the update recorded anew when it is needed next, here and by models."""
        self._compiled, self.revision = {}, self.revision + 1

    def __getstate__(self):
        return self.__dict__ | {"_compiled": {}}

    def init(self, params) -> dict:
        """The state for nested dicts and lists of float arrays.

        It holds the counts of calls ("step") and of updates, a tree of the structure of `params` for each slot, what
        the optimizer keeps once, and where gradients are accumulated their sums ("gradients").
        """
        state: dict[str, Any] = {"step": np.zeros((), np.int64), "updates": np.zeros((), np.int64)}
        state |= {name: np.asarray(first, np.float32) for name, first in self.numbers.items()}
        for slot in self.all_slots:
            state[slot] = trees.tree_map(partial(self._first, slot), params)
        if self.gradient_accumulation_steps:
            state[SUMS] = trees.tree_map(lambda p: np.zeros_like(np.asarray(p)), params)
        return state

    def _first(self, slot, parameter):
        parameter = np.asarray(parameter)
        return np.full_like(parameter, self.initial(slot, parameter))

    def update(self, grads, state, params):
        """One step: (params, state) after it, from gradients of the structure of `params`; nothing changes in place.

        Raises ValueError if structures or shapes differ, or if the state is that of another kind of optimizer.
        """
        self._check(grads, state, params)
        return self._run("update", self._update_tree, grads, state, params)

    def _run(self, door, function, grads, state, params):
        if door not in self._compiled:
            self._compiled[door] = compile(function)
        rate = 0.0 if callable(self.learning_rate) else self.learning_rate
        return self._compiled[door](grads, state, params, np.float64(rate))

    def _check(self, grads, state, params):
        wanted = [(name, np.shape(p)) for name, p in trees.named(params)]
        found = [(name, np.shape(g)) for name, g in trees.named(grads)]
        if wanted != found:
            raise ValueError(f"gradients must have the names and shapes of the parameters, {wanted}; they have {found}")
        kept = {"step", "updates", *self.numbers, *self.all_slots}
        kept |= {SUMS} if self.gradient_accumulation_steps else set()
        if kept != state.keys():
            raise ValueError(f"the state must hold {sorted(kept)}, as init(params) makes it; it holds {sorted(state)}")

    def _update_tree(self, grads, state, params, rate, variables=None):
        """`update` in ops. `variables` tell more of the leaves than the tree does: names and constraints."""
        variables = variables or [Leaf(name, dims(p)) for name, p in trees.named(params)]
        old, given = trees.flatten(params), trees.flatten(grads)
        kept = {slot: trees.flatten(state[slot]) for slot in self.all_slots}
        numbers = {name: state[name] for name in self.numbers}
        steps, complete = self.gradient_accumulation_steps or 1, None
        if steps > 1:
            given = [s + g for s, g in zip(trees.flatten(state[SUMS]), given, strict=True)]
            complete = stages.every(steps, state["step"] + 1)
        due = _both(complete, self.due(given))
        rate = self.rate_at(rate, state["step"])
        factor = self.shared_factor(given, 1.0 / (steps * self.loss_scale(numbers)))
        params_after: list = []
        slots_after: dict[str, list] = {slot: [] for slot in kept}
        for k, variable in enumerate(variables):
            slots = {slot: values[k] for slot, values in kept.items()}
            new, changed = self.advance(
                self.treatment(variable), old[k], given[k], factor, rate, state["updates"], slots
            )
            params_after.append(_if(due, new, old[k]))
            for slot, values in slots_after.items():
                values.append(_if(due, changed.get(slot, slots[slot]), slots[slot]))
        after = {slot: trees.like(params, values) for slot, values in slots_after.items()}
        if complete is not None:
            after[SUMS] = trees.like(params, [ops.where(complete, 0.0, s) for s in given])
        for name, value in self.numbers_after(due, numbers).items():
            after[name] = _if(complete, value, numbers[name])
        done = 1 if due is None else ops.cast(due, np.int64)
        after |= {"step": state["step"] + 1, "updates": state["updates"] + done}
        return trees.like(params, params_after), after

    def build(self, variables):
        """Makes the slots of these variables, for `apply`."""
        self._variables = list(variables)
        self._state, self.iterations = self.init([v.numpy() for v in self._variables]), 0
        self.forget()

    def apply(self, grads, trainable_variables=None):
        """One step of these variables by their gradients, in place.

        Arguments:
            grads: list of arrays, one for each variable.
            trainable_variables: list of variables, the same at each call; by default those of the call before.

        Raises:
            ValueError: if there are no variables yet, others than before, or gradients of other shapes.
        """
        given = self._variables if trainable_variables is None else list(trainable_variables)
        if given and not self._state:
            self.build(given)
        if not given or [id(v) for v in given] != [id(v) for v in self._variables]:
            raise ValueError(f"apply takes the variables that it was built with, {self._variables}; it got {given}")
        params, grads = [v.numpy() for v in self._variables], list(grads)
        self._check(grads, self._state, params)
        recorded = partial(self._update_tree, variables=self._variables)
        values, self._state = self._run("apply", recorded, grads, self._state, params)
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
        self.iterations = int(self._state["updates"])

    def apply_gradients(self, grads_and_vars):
        """`apply` for pairs of gradient and variable. Returns the number of updates done."""
        grads, variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, variables)
        return self.iterations

    def slot(self, name: str, variable):
        """The array that is kept of a variable, by `apply` or by the model that it belongs to."""
        mine = [k for k, v in enumerate(self._variables) if v is variable]
        if mine:
            return self._state[name][mine[0]]
        return variable.store.view(variable.store.slot_of(name, variable))


def _both(a, b):
    """Whether two conditions hold, each of which may be None, which always holds."""
    return b if a is None else a if b is None else ops.logical_and(a, b)


def _if(due, new, old):
    """The new value where it is due."""
    return new if due is None else ops.where(due, new, old)
