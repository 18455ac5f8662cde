"""From a model to programs: what a step of training, evaluation or prediction consists of.

`forward_backward` adds up the losses of the rows and differentiates the sum; `update` divides by the divisor once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from gpubp import losses, ops
from gpubp.engine.autodiff import gradients
from gpubp.engine.plan import DATA, GRADS, SCALARS, SUMS, Layout, Operand, Part, plan
from gpubp.engine.program import Program
from gpubp.engine.store import Store
from gpubp.engine.trace import Graph
from gpubp.ops.registry import graph_of
from gpubp.ops.shapes import B, size


@dataclass(frozen=True)
class Source:
    """An array of the caller: its name as a segment, its dtype, and its shape without the rows."""

    segment: str
    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def computed(self) -> np.dtype:
        """The dtype that the program works with: numbers of other floats in float32, of integers in int64."""
        return np.dtype(self.dtype if self.dtype == np.float64 else np.float32 if self.dtype.kind == "f" else np.int64)

    @property
    def row_bytes(self) -> int:
        return int(size(self.shape)) * self.dtype.itemsize

    def operand(self, rows) -> Operand:
        return Operand(self.segment, 0, self.dtype, (rows, *self.shape))


@dataclass(frozen=True)
class Sum:
    """A running mean's parts: numerator and divisor of the batch, and of all batches since they were set to 0."""

    name: str
    batch: Operand
    batch_divisor: Operand
    total: Operand
    divisor: Operand


@dataclass
class ModelProgram:
    """A program of a model, the sums that are read from it, and where predictions go."""

    program: Program
    sums: list[Sum]
    output: Operand | None = None


class Builder:
    """What the programs of a model share: layout, scalars, recording of the forward pass."""

    def __init__(self, model, store: Store, batch_size: int):
        self.model, self.store = model, store
        self.layout = Layout(batch_size, align=store.device.align)
        for segment, n in store.layout.sizes.items():
            self.layout.reserve(segment, n)
        self.layout.reserve(GRADS, self.layout.sizes["params"])
        names = {"rows": np.int64, "step": np.int64, "seed": np.int64, "learning_rate": store.dtype}
        self.scalars = {name: self.layout.add(SCALARS, (), dtype) for name, dtype in names.items()}
        self.sums: list[Sum] = []

    def graph(self) -> Graph:
        return Graph(self.scalars, self.store)

    def plan(self, name, assigned) -> Part:
        return plan(name, assigned, self.layout, fused=not self.model.run_eagerly)

    def sum(self, name: str) -> Sum:
        """A new sum, known by its name."""
        self.sums.append(Sum(name, *(self.layout.add(SUMS, (), np.float64) for _ in range(4))))
        return self.sums[-1]

    def forward(self, x, y, training: bool):
        """The sum of the losses, and what is assigned to the sums of the loss and the metrics."""
        with x.graph.recording():
            y_pred = self.model.call(x, training=training)
            y, y_pred = losses.same_rank(y, y_pred)
            values = {"loss": self.model.loss.call(y, y_pred)}
            values |= {name: metric(y, y_pred) for name, metric in self.model.metrics}
        total = ops.check_finite(ops.sum(values["loss"]))
        assigned = []
        for name, rows in values.items():
            one = self.sum(name)
            numerator = total if name == "loss" else ops.sum(rows)
            divisor = ops.count(rows)
            divisor = divisor if graph_of(divisor) else x.graph.constant(divisor, np.int64)
            assigned += [
                (one.batch, ops.cast(numerator, np.float64)),
                (one.batch_divisor, ops.cast(divisor, np.float64)),
            ]
        return total, assigned

    def record(self) -> Part:
        """Adds the batch's sums to those of the interval that a reader fetches."""
        graph, assigned = self.graph(), []
        for one in self.sums:
            for total, part in ((one.total, one.batch), (one.divisor, one.batch_divisor)):
                assigned.append((total, graph.input(total) + graph.input(part)))
        return self.plan("record", assigned)

    def program(self, parts, moving) -> ModelProgram:
        return ModelProgram(Program(parts, self.layout, self.scalars, moving), self.sums)


def training_program(model, store: Store, x: Source, y: Source, batch_size: int) -> ModelProgram:
    """Takes batches in the order given by the segment `order`, and trains on them."""
    build = Builder(model, store, batch_size)
    graph, batches, assigned = build.graph(), [], []
    order = graph.input(Operand("order", 0, np.dtype(np.int64), (B,)))
    for source, dtype in ((x, store.dtype), (y, y.computed)):
        batches.append(build.layout.add(DATA, (B, *source.shape), dtype))
        rows = ops.take_rows(graph.input(source.operand(None)), order, dtype=np.dtype(dtype).name)
        assigned.append((batches[-1], rows))
    parts = [build.plan("gather", assigned), _forward_backward(build, *batches), _update(build), build.record()]
    return build.program(parts, {"order": 8})


def _forward_backward(build: Builder, x: Operand, y: Operand) -> Part:
    """The sums over the rows: of the losses, of their gradients, of ones."""
    graph = build.graph()
    total, assigned = build.forward(graph.input(x), graph.input(y), training=True)
    variables = build.store.trainable
    found = gradients(total, [graph.input(v.place) for v in variables])
    assigned += [(replace(v.place, segment=GRADS), g) for v, g in zip(variables, found, strict=True)]
    assigned += [(v.place, value) for v, value in graph.assignments.items()]
    return build.plan("forward_backward", assigned)


def _update(build: Builder) -> Part:
    """One run over the flat buffers if the optimizer proves elementwise, else variable by variable."""
    store = build.store
    graph, assigned = _record_update(build, [(store.flat, store.slots)])
    if any(s.op and s.op.expression is None and not s.op.view for s in graph.symbols):
        each = [(v.place, {s: store.slot_of(s, v) for s in store.slots}) for v in store.trainable]
        graph, assigned = _record_update(build, each)
    return build.plan("update", assigned)


def _record_update(build: Builder, runs):
    graph, assigned = build.graph(), []
    optimizer, dtype = build.model.optimizer, build.store.dtype
    step, divisor = graph.scalar("step"), graph.input(build.sums[0].batch_divisor)
    rate = optimizer.rate_at(graph.scalar("learning_rate"), step)
    share = ops.cast(1.0 / divisor, dtype)
    for place, slots in runs:
        gradient = graph.input(replace(place, segment=GRADS)) * share
        old = {name: graph.input(slot) for name, slot in slots.items()}
        new, changed = optimizer.update_variable(graph.input(place), gradient, ops.cast(rate, dtype), step, old)
        assigned += [(place, new), *((slots[name], changed[name]) for name in slots)]
    return graph, [*assigned, (build.scalars["step"], step + 1)]


def evaluation_program(model, store: Store, x: Source, y: Source, batch_size: int) -> ModelProgram:
    """Adds up losses and metrics of batches in the order of the data."""
    build = Builder(model, store, batch_size)
    graph = build.graph()
    inputs = ops.cast(graph.input(x.operand(B)), store.dtype), ops.cast(graph.input(y.operand(B)), y.computed)
    _, assigned = build.forward(*inputs, training=False)
    parts = [build.plan("forward", assigned), build.record()]
    program = build.program(parts, {s.segment: s.row_bytes for s in (x, y)})
    program.program.guard = "record"
    return program


def prediction_program(model, store: Store, x: Source, y: None, batch_size: int) -> ModelProgram:
    """Writes the outputs of batches, in the order of the data, to the segment `output`."""
    build = Builder(model, store, batch_size)
    graph = build.graph()
    with graph.recording():
        y_pred = model.call(ops.cast(graph.input(x.operand(B)), store.dtype), training=False)
    out = Operand("output", 0, y_pred.dtype, y_pred.dims)
    made = Source("output", y_pred.dtype, y_pred.dims[1:])
    program = build.program([build.plan("forward", [(out, y_pred)])], {s.segment: s.row_bytes for s in (x, made)})
    return replace(program, output=out)


PROGRAMS: dict[str, Callable[..., ModelProgram]] = {
    "train": training_program,
    "evaluate": evaluation_program,
    "predict": prediction_program,
}


def symbol_of(shape: tuple[int, ...]):
    """A float32 symbol of rows of this shape, to pass through layers."""
    return Graph().input(Operand("x", 0, np.dtype(np.float32), (B, *shape)))


def target_source(model) -> Source:
    """Targets as the model's loss takes them: integer labels, or numbers of the shape of the outputs."""
    if isinstance(model.loss, losses.SparseCategoricalCrossentropy):
        return Source("y", np.dtype(np.int64), ())
    return Source("y", np.dtype(np.float32), model.output_shape[1:])
