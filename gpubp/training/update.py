"""The part of a training program that changes the weights."""

from dataclasses import replace

from gpubp import ops
from gpubp.engine.plan import GRADS, Part


def update_part(build) -> Part:
    """One run over the flat buffers if the optimizer proves elementwise, else variable by variable."""
    store = build.store
    graph, assigned = _record_update(build, [(store.flat, store.slots)])
    if any(s.op and s.op.expression is None and not s.op.view for s in graph.symbols):
        each = [(v.place, {s: store.slot_of(s, v) for s in store.slots}) for v in store.trainable]
        graph, assigned = _record_update(build, each)
    return build.plan("update", assigned)


def _record_update(build, runs):
    graph, assigned = build.graph(), []
    optimizer, dtype = build.model.optimizer, build.store.dtype
    step, divisor = graph.scalar("updates"), graph.input(build.divisor)
    rate = optimizer.rate_at(graph.scalar("learning_rate"), step)
    share = ops.cast(1.0 / divisor, dtype)
    for place, slots in runs:
        gradient = graph.input(replace(place, segment=GRADS)) * share
        old = {name: graph.input(slot) for name, slot in slots.items()}
        new, changed = optimizer.update_variable(graph.input(place), gradient, ops.cast(rate, dtype), step, old)
        assigned += [(place, new), *((slots[name], changed[name]) for name in slots)]
    return graph, [*assigned, (build.scalars["updates"], step + 1)]
