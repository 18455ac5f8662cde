"""The part `update` of a training program: the optimizer's stages, over as long stretches of memory as it can be."""

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from gpubp import ops
from gpubp.engine.plan import GRADS, Operand, Part
from gpubp.engine.store import Store
from gpubp.engine.trace import Graph, Symbol, needed
from gpubp.losses.base import quotient
from gpubp.optimizers.base import Optimizer, Treatment

if TYPE_CHECKING:
    from gpubp.training.programs import Builder


@dataclass(frozen=True)
class Scalars:
    """What all variables share in an update: the learning rate, the gradients' factor, the updates so far.

    `due` tells whether there is an update; None where there always is.
    """

    rate: Any
    factor: Symbol
    updates: Symbol
    due: Symbol | None

    @property
    def symbols(self) -> list[Symbol]:
        """Those that do not depend on a variable."""
        return [x for x in (self.rate, self.factor, self.due) if isinstance(x, Symbol)]


def update_part(build: "Builder") -> Part:
    """Divides the gradients by the divisor of what they were added up from, and updates all trainable variables."""
    store, optimizer, graph = build.store, build.model.optimizer, build.graph()
    updates, gradients = graph.scalar("updates"), [graph.input(replace(store.flat, segment=GRADS))]
    share = ops.cast(quotient(graph.constant(1.0, np.float64), graph.input(build.divisor)), store.dtype)
    numbers, scale = numbers_of(graph, store), loss_scale(build, graph)
    share = share if scale is None else share / scale
    factor, due = optimizer.shared_factor(gradients, share), optimizer.due(gradients)
    rate = optimizer.rate_at(graph.scalar("learning_rate"), graph.scalar("step"))
    scalars = Scalars(rate, factor, updates, due)
    assigned = [(build.scalars["updates"], updates + (1 if due is None else ops.cast(due, np.int64)))]
    assigned += [(store.numbers[name], new) for name, new in optimizer.numbers_after(due, numbers).items()]
    for treatment, variables in _runs(store, optimizer):
        assigned += _recorded(graph, store, optimizer, treatment, variables, scalars)
    return build.plan("update", assigned)


def numbers_of(graph: Graph, store: Store) -> dict[str, Symbol]:
    """What the optimizer keeps once, by name."""
    return {name: graph.input(place) for name, place in store.numbers.items()}


def loss_scale(build: "Builder", graph: Graph):
    """What the sum of the losses is multiplied by before it is differentiated; None for nothing.

    The optimizer's scale is meant for the mean: it is divided by the rows of a full batch, rounded to a power of two,
    which changes no digit.
    """
    scale = build.model.optimizer.loss_scale(numbers_of(graph, build.store))
    if not isinstance(scale, Symbol) and scale == 1:
        return None
    return ops.cast(scale * 2.0 ** -(build.layout.rows - 1).bit_length(), build.store.dtype)


def _runs(store: Store, optimizer: Optimizer):
    """Neighbours that are treated alike together, those whose shape matters each by itself."""

    def key(variable):
        treatment = optimizer.treatment(variable)
        return treatment, None if treatment.flat else variable.place

    for (treatment, _), variables in groupby(store.trainable, key):
        yield treatment, list(variables)


def _recorded(graph: Graph, store: Store, optimizer: Optimizer, treatment: Treatment, variables, scalars: Scalars):
    """What is assigned: over the whole run if the treatment proves elementwise, else variable by variable."""

    def at(place: Operand, names: str):
        old = {name: graph.input(store.slot_at(name, place)) for name in store.slots}
        parameter, gradient = graph.input(place), graph.input(replace(place, segment=GRADS))
        new, changed = optimizer.advance(
            treatment, parameter, gradient, scalars.factor, scalars.rate, scalars.updates, old
        )
        for value in (new, *changed.values()):
            _require_shape(value, place, f"the {'constraint' if treatment.constraint else 'update'} of {names}")
        if scalars.due is not None:
            new = ops.where(scalars.due, new, parameter)
            changed = {name: ops.where(scalars.due, value, old[name]) for name, value in changed.items()}
        return [(place, new), *((store.slot_at(name, place), value) for name, value in changed.items())]

    if treatment.flat:
        run = at(_stretch(store, variables), " and ".join(repr(v.name) for v in variables))
        shared = set(needed(scalars.symbols))
        own = set(needed([value for _, value in run])) - shared
        if all(s.op is None or s.op.expression or s.op.view for s in own):
            return run
    return [pair for v in variables for pair in at(v.place, repr(v.name))]


def _require_shape(value, place: Operand, what: str):
    """Raises ValueError for a new value that would not lie where the old one does: it would overwrite others."""
    if getattr(value, "dims", None) != place.shape:
        raise ValueError(f"{what} gives {value!r}; it is to give an array of shape {place.shape}")


def _stretch(store: Store, variables) -> Operand:
    """The memory from the first variable to the last, as a flat array; the gaps between them hold zeros."""
    first, last = variables[0].place, variables[-1].place
    end = store.layout.up(last.offset + last.bytes(1))
    return replace(first, shape=((end - first.offset) // first.dtype.itemsize,))
