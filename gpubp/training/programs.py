"""From a model to programs: what a step of training, evaluation or prediction consists of.

`forward_backward` adds up the losses of the rows and differentiates the sum; `update` divides by the divisor once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gpubp import losses, ops
from gpubp.engine import trees
from gpubp.engine.autodiff import gradients
from gpubp.engine.plan import DATA, GRADS, SCALARS, SUMS, Layout, Operand, Part, plan, refreshed
from gpubp.engine.program import Program
from gpubp.engine.store import Store
from gpubp.engine.trace import Graph, Symbol
from gpubp.engine.variables import Variable
from gpubp.losses.base import quotient
from gpubp.metrics.base import ratio
from gpubp.ops.registry import dims, graph_of, value
from gpubp.ops.shapes import B, size
from gpubp.training.frozen import warn_of_strangers
from gpubp.training.objective import naming
from gpubp.training.update import loss_scale, update_part


@dataclass(frozen=True)
class Source:
    """An array of the caller: its name as a segment, its dtype, and its shape without the rows.

    `sparse` arrays are CSR matrices: the segments NAME.data, NAME.indices and NAME.indptr.
    """

    segment: str
    dtype: np.dtype
    shape: tuple[int, ...]
    sparse: bool = False

    @property
    def computed(self) -> np.dtype:
        """The dtype that targets are worked with: other floats in float32, integers in int64."""
        return np.dtype(self.dtype if self.dtype == np.float64 else np.float32 if self.dtype.kind == "f" else np.int64)

    @property
    def row_bytes(self) -> int:
        return int(size(self.shape)) * self.dtype.itemsize

    def operand(self, rows) -> Operand:
        return Operand(self.segment, 0, self.dtype, (rows, *self.shape))


@dataclass(frozen=True)
class Sources:
    """The arrays of a batch: inputs, targets, and the weights of the rows, each for every output or none."""

    inputs: tuple[Source, ...]
    targets: tuple[Source | None, ...] = ()
    weights: tuple[Source | None, ...] = ()

    @property
    def all(self) -> tuple[Source, ...]:
        return tuple(s for s in (*self.inputs, *self.targets, *self.weights) if s is not None)


@dataclass(frozen=True)
class Tally:
    """What is read of a program under a name: sums over a batch, over all batches since `reset`, and what they tell.

    Arguments:
        name: in the logs.
        compute: gives the value for the sums over all batches, by name.
        batch, total: where the sums lie, by name.
    """

    name: str
    compute: Callable[[dict[str, np.ndarray]], Any]
    batch: dict[str, Operand] = field(default_factory=dict)
    total: dict[str, Operand] = field(default_factory=dict)


@dataclass
class ModelProgram:
    """A program of a model, the sums that are read from it, and where predictions and accumulated gradients go."""

    program: Program
    tallies: list[Tally]
    outputs: list[Operand] = field(default_factory=list)
    structure: Any = None  # of the predictions: nested lists and dicts
    accumulated: list[Operand] = field(default_factory=list)  # what batches add to until an update
    draws: bool = False  # whether it only reads, and draws random numbers all the same
    strangers: list[tuple[Operand, Variable]] = field(default_factory=list)  # read, but not the model's, and where

    @property
    def names(self) -> dict[str, Operand]:
        """The places of the tallies' sums, by what they are called."""
        named = {f"{t.name} {key}": place for t in self.tallies for key, place in t.total.items()}
        return named | {f"batch's {t.name} {key}": place for t in self.tallies for key, place in t.batch.items()}


class Builder:
    """What the programs of a model share: layout, scalars, recording of the forward pass."""

    def __init__(self, model, store: Store, batch_size: int):
        self.model, self.store = model, store
        device = store.device
        able = device.epilogues, device.precisions, device.narrow, device.branches
        self.layout = Layout(batch_size, device.align, *able, shadowed=True)
        for segment, n in store.layout.sizes.items():
            self.layout.reserve(segment, n)
        self.layout.reserve(GRADS, self.layout.sizes["params"])
        names = dict.fromkeys(("rows", "step", "updates", "seed"), np.int64) | {"learning_rate": store.dtype}
        self.scalars = {name: self.layout.add(SCALARS, (), dtype) for name, dtype in names.items()}
        self.divisor: Any = None  # where the update finds what to divide the gradients by
        self.tallies: list[Tally] = []
        # What layers assign to variables waits beside them, until the loss is known to be finite: (variable, there).
        self.aside: list[tuple[Operand, Operand]] = []
        self.graphs: list[Graph] = []

    def graph(self) -> Graph:
        self.graphs.append(Graph(self.scalars, self.store))
        return self.graphs[-1]

    def plan(self, name, assigned, unread=()) -> Part:
        return plan(name, assigned, self.layout, not self.model.run_eagerly, unread)

    def tally(self, name: str, sums: dict, compute) -> list[tuple[Operand, Symbol]]:
        """Makes a tally of sums over the batch; what is to be assigned for it."""
        made = Tally(name, compute)
        for key, total in sums.items():
            if not all(isinstance(d, int) for d in dims(total)):
                raise ValueError(f"{name}: sums[{key!r}] has the shape {dims(total)}, which depends on the rows B")
            for places in (made.batch, made.total):
                places[key] = self.layout.add(SUMS, dims(total), np.float64)
        self.tallies.append(made)
        return [(made.batch[key], total) for key, total in sums.items()]

    def record(self) -> Part:
        """Adds the batch's sums to those of the interval that a reader fetches; assigns what layers did."""
        graph = self.graph()
        assigned = [(place, graph.input(aside)) for place, aside in self.aside]
        for tally in self.tallies:
            for key, total in tally.total.items():
                assigned.append((total, graph.input(total) + graph.input(tally.batch[key])))
        assigned.append((self.scalars["step"], graph.scalar("step") + 1))
        return self.plan("record", assigned)

    def program(self, parts, moving) -> ModelProgram:
        read = {place.segment for part in parts for place in part.places.values()}
        moving = {segment: n for segment, n in moving.items() if segment in read}
        program = Program(parts, self.layout, self.scalars, moving)
        first = refreshed("halves", self.layout)
        if first.code:
            program.parts, program.first = [first, *parts], first.name
        return ModelProgram(program, self.tallies, strangers=self._strangers(parts))

    def _strangers(self, parts) -> list[tuple[Operand, Variable]]:
        """Where parts find the variables that are not in the store."""
        wanted = [(v, symbol) for graph in self.graphs for v, symbol in graph.strangers.items()]
        return [(part.places[symbol], v) for part in parts for v, symbol in wanted if symbol in part.places]


def _mean(sums):
    return ratio(sums["total"], sums["divisor"])


class Measured:
    """Losses and metrics of a recorded batch: the sum to differentiate, its divisor, and what is tallied."""

    def __init__(self, build: Builder, graph: Graph, batch: "Batch", training: bool):
        self.build, self.graph = build, graph
        self.assigned: list[tuple[Operand, Symbol]] = []
        self.each: dict[str, dict] = {}  # numerator and divisor of each output's loss
        with graph.recording():
            outputs = build.model.compute(batch.inputs, training)
            if training:
                warn_of_strangers(build.model, graph.strangers)
            goals = build.model.goals()
            total, divisor = self._losses(goals, outputs, batch)
            # Only training stops at a loss that is not finite: what reads reports it.
            self.total = ops.check_finite(total) if training else total
            self.divisor = self._symbol(divisor, np.float64)
            self._tally("loss", {"total": self.total, "divisor": self.divisor}, _mean)
            self._metrics(goals, outputs, batch)

    def _losses(self, goals, outputs, batch):
        """The weighted sum of all losses over the rows, penalties included, and what to divide it by.

        That is what the losses are divided by if all are by the same, else the number of rows.
        """
        weighted = []
        for goal, (y, y_pred, weight) in zip(goals, batch.pairs(goals, outputs), strict=True):
            if goal.loss is not None:
                with naming(goal, goals):
                    numerator, n = self._over_rows(*goal.loss.terms(y, y_pred, weight))
                self.each[goal.output] = {"total": numerator, "divisor": n}
                weighted.append((numerator if goal.weight == 1 else numerator * goal.weight, n))
        one = len({n for _, n in weighted}) == 1
        divisor = weighted[0][1] if one else self.graph.rows()
        parts = [x if one else self._rescaled(x, divisor, n) for x, n in weighted]
        penalties = self._penalties()
        if penalties is not None:
            parts.append(self._rescaled(penalties, divisor))
        if not parts:
            raise ValueError(f"{self.build.model.name!r} has nothing to minimise: compile it with a loss")
        return sum(parts[1:], parts[0]), divisor

    def _over_rows(self, numerator, divisor):
        """The same quotient over the number of rows, where a loss of the whole batch counts as one value."""
        if graph_of(divisor) or divisor != 1:
            return numerator, divisor
        return self._rescaled(numerator, self.graph.rows()), self.graph.rows()

    def _rescaled(self, numerator, divisor, own=1):
        """What is divided by `own`, for a division by `divisor`; 0 where `own` is 0."""
        return numerator * quotient(ops.cast(self._symbol(divisor, np.float64), numerator.dtype), own)

    def _penalties(self):
        """The sum of what layers and regularizers add to the loss; None if they add nothing."""
        found = [v.regularizer(v) for v in self.build.model.variables if v.regularizer is not None and v.trainable]
        found += self.graph.losses
        found = [x for x in found if graph_of(x)]
        return sum(found[1:], found[0]) if found else None

    def _metrics(self, goals, outputs, batch):
        if len(goals) > 1:
            for output, terms in self.each.items():
                self._tally(f"{output}_loss", terms, _mean)
        names: set[str] = {tally.name for tally in self.build.tallies}
        for goal, (y, y_pred, weight) in zip(goals, batch.pairs(goals, outputs), strict=True):
            for metric, weighted in goal.measured:
                if metric.collect:  # measured on the host, when all predictions are there
                    continue
                name = _free(f"{goal.output}_{metric.name}" if len(goals) > 1 else metric.name, names)
                with naming(goal, goals):
                    sums = metric.sums(y, y_pred, weight if weighted else None)
                self._tally(name, sums, metric.compute)

    def _tally(self, name, sums, compute):
        with self.graph.within(""):
            sums = {key: self._symbol(x, np.float64) for key, x in sums.items()}
            self.assigned += self.build.tally(name, sums, compute)

    def _symbol(self, x, dtype) -> Symbol:
        if graph_of(x) is None:
            return self.graph.constant(x, dtype) if np.ndim(x) == 0 else ops.cast(self.graph.capture(value(x)), dtype)
        return ops.cast(x, dtype)


def _free(name, names):
    """The name, with a number behind it if another metric has it; it is taken from then on."""
    free = next(n for n in (name, *(f"{name}_{k}" for k in range(1, len(names) + 1))) if n not in names)
    names.add(free)
    return free


@dataclass
class Batch:
    """The symbols of a batch."""

    inputs: list[Symbol]
    targets: list[Symbol | None]
    weights: list[Symbol | None]

    def pairs(self, goals, outputs):
        """Targets, predictions and weights of each output; None for what an output has not."""
        outputs = trees.flatten(outputs)
        if len(outputs) != len(goals):
            raise ValueError(f"the model has {len(outputs)} outputs; losses are given for {len(goals)}")
        targets: list[Any] = [*self.targets] or [None] * len(goals)
        weights = self.weights or [None] * len(goals)
        for goal, y, y_pred, weight in zip(goals, targets, outputs, weights, strict=True):
            if y is None and (goal.loss is not None or goal.measured):
                raise ValueError(
                    f"the output {goal.output!r} is measured by a loss or metrics, but there is no y for it"
                )
            yield (*(losses.same_rank(y, y_pred) if y is not None else (y, y_pred)), weight)


def _dtypes(build: Builder, sources: Sources):
    """The dtype in which each array of a batch is worked with: inputs as the model takes them."""
    yield from zip(sources.inputs, build.model.input_dtypes(sources.inputs), strict=True)
    yield from ((s, s.computed) for s in sources.targets if s is not None)
    yield from ((w, np.dtype(build.store.dtype)) for w in sources.weights if w is not None)


def _split(sources: Sources, symbols: list[Symbol]) -> Batch:
    rest = iter(symbols)
    kinds = (sources.inputs, sources.targets, sources.weights)
    return Batch(*([None if s is None else next(rest) for s in kind] for kind in kinds))  # type: ignore[arg-type]


def _places(build: Builder, sources: Sources) -> list[Operand]:
    """Where a batch will lie that is gathered."""
    found = [build.layout.add(DATA, (B, *source.shape), dtype) for source, dtype in _dtypes(build, sources)]
    build.layout.batch = found
    return found


def _gathered(build: Builder, sources: Sources, places: list[Operand], reader: Part) -> Part:
    """The part that takes the rows of a batch, in the order given by the segment `order`, as its reader reads them."""
    graph = build.graph()
    order = graph.input(Operand("order", 0, np.dtype(np.int64), (B,)))
    kinds = zip(places, _dtypes(build, sources), strict=True)
    assigned = [(place, _rows_of(graph, source, order, dtype)) for place, (source, dtype) in kinds]
    return build.plan("gather", assigned, unread=set(places) - set(reader.places.values()))


def _rows_of(graph, source: Source, order, dtype) -> Symbol:
    name = np.dtype(dtype).name
    if not source.sparse:
        return ops.take_rows(graph.input(source.operand(None)), order, dtype=name)
    parts = (("data", source.dtype), ("indices", np.int32), ("indptr", np.int64))
    csr = (graph.input(Operand(f"{source.segment}.{part}", 0, np.dtype(d), (None,))) for part, d in parts)
    return ops.take_sparse_rows(*csr, order, columns=source.shape[0], dtype=name)


def training_program(model, store: Store, sources: Sources, batch_size: int) -> ModelProgram:
    """Takes batches in the order given by the segment `order`, and trains on them."""
    build = Builder(model, store, batch_size)
    places = _places(build, sources)
    accumulate = (model.optimizer.gradient_accumulation_steps or 1) > 1
    backward = _forward_backward(build, sources, places, accumulate, loss_scale)
    accumulated = _accumulated(build) if accumulate else []
    zero = [_zero(build, accumulated)] if accumulate else []
    gather = _gathered(build, sources, places, backward)
    made = build.program([*zero, gather, backward, update_part(build), build.record()], {"order": 8})
    return replace(made, accumulated=accumulated)


def gradient_program(model, store: Store, sources: Sources, batch_size: int) -> ModelProgram:
    """Adds up gradients over batches, for minimisers that move the weights themselves."""
    build = Builder(model, store, batch_size)
    places = _places(build, sources)
    backward = _forward_backward(build, sources, places, accumulate=True)
    gather = _gathered(build, sources, places, backward)
    build.scalars["divisor"] = build.divisor
    made = build.program([_zero(build, _accumulated(build)), gather, backward, build.record()], {"order": 8})
    made.program.guard = "record"
    return made


def _accumulated(build: Builder) -> list[Operand]:
    """Where gradients and their divisor are added up until an update."""
    return [replace(build.store.flat, segment=GRADS), build.divisor]


def _zero(build: Builder, places: list[Operand]) -> Part:
    """Sets what batches add to until an update to 0."""
    graph = build.graph()
    zeros = [(p, ops.broadcast_to(graph.constant(0.0, p.dtype), p.shape)) for p in places]
    return build.plan("zero", zeros)


def _forward_backward(build: Builder, sources: Sources, places, accumulate: bool, scaled=lambda *_: None) -> Part:
    """The sums over the rows: of the losses, of their gradients, of ones. `scaled` gives the scale of the loss."""
    graph = build.graph()
    measured = Measured(build, graph, _split(sources, [graph.input(p) for p in places]), training=True)
    variables, scale = build.store.trainable, scaled(build, graph)
    total = measured.total if scale is None else measured.total * scale
    found = gradients(total, [graph.input(v.place) for v in variables])
    kept = [(replace(v.place, segment=GRADS), g) for v, g in zip(variables, found, strict=True)]
    build.divisor = build.tallies[0].batch["divisor"]
    if accumulate:
        build.divisor = build.layout.add(SUMS, (), np.float64)
        kept = [(place, graph.input(place) + new) for place, new in [*kept, (build.divisor, measured.divisor)]]
    if build.model.check_numerics and not build.model.optimizer.recovers:
        kept = [(place, _checked(new)) for place, new in kept]
    for variable, new in graph.assignments.items():
        aside = build.layout.add(DATA, variable.shape, variable.dtype)
        build.aside.append((variable.place, aside))
        kept.append((aside, new))
    return build.plan("forward_backward", [*kept, *measured.assigned])


def _checked(gradient):
    """The gradient, with a check that stops the step if it is not finite."""
    return gradient + ops.check_finite(ops.sum(gradient) * 0.0)


def evaluation_program(model, store: Store, sources: Sources, batch_size: int) -> ModelProgram:
    """Adds up losses and metrics of batches in the order of the data."""
    build = Builder(model, store, batch_size)
    places, batch, moving = _read(build, sources)
    measured = Measured(build, batch[0].graph, _split(sources, batch), training=False)
    forward = build.plan("forward", measured.assigned)
    gather = [_gathered(build, sources, places, forward)] if places else []
    made = build.program([*gather, forward, build.record()], moving)
    made.program.guard, made.draws = "record", batch[0].graph.reads("step")
    return made


def _read(build: Builder, sources: Sources):
    """Batches one after the other: sparse ones will be gathered, in places, others are read as they lie."""
    graph = build.graph()
    if any(s.sparse for s in sources.all):
        places = _places(build, sources)
        return places, [graph.input(p) for p in places], {"order": 8}
    batch = [ops.cast(graph.input(s.operand(B)), dtype) for s, dtype in _dtypes(build, sources)]
    return [], batch, {s.segment: s.row_bytes for s in sources.all}


def prediction_program(model, store: Store, sources: Sources, batch_size: int) -> ModelProgram:
    """Writes the outputs of batches, in the order of the data, to the segments `output0`, `output1`, ..."""
    build = Builder(model, store, batch_size)
    places, batch, moving = _read(build, sources)
    graph = batch[0].graph
    with graph.recording():
        structure = model.compute(batch, training=False)
    symbols = trees.flatten(structure)
    _require_rows(model, symbols)
    outputs = [Operand(f"output{k}", 0, x.dtype, x.dims) for k, x in enumerate(symbols)]
    moving |= {p.segment: size(p.shape[1:]) * p.dtype.itemsize for p in outputs}
    forward = build.plan("forward", list(zip(outputs, symbols, strict=True)))
    gather = [_gathered(build, sources, places, forward)] if places else []
    draws = graph.reads("step")
    made = build.program([*gather, forward, *([build.record()] if draws else [])], moving)
    return replace(made, outputs=outputs, structure=structure, draws=draws)


def _require_rows(model, outputs: list[Symbol]):
    """Raises ValueError unless each output has a row for each row of a batch: there is room for no others."""
    for name, x in zip(model.output_names, outputs, strict=True):
        if x.dims[:1] != (B,) or not all(isinstance(d, int) for d in x.dims[1:]):
            raise ValueError(
                f"predict needs a row for each of the B rows of a batch; the output {name!r} has the shape {x.dims}"
            )


PROGRAMS: dict[str, Callable[..., ModelProgram]] = {
    "train": training_program,
    "gradient": gradient_program,
    "evaluate": evaluation_program,
    "predict": prediction_program,
}
