"""Drawing a model: layers called on the symbols of `Input` leave a sketch, which models replay on a batch.

The symbols of a sketch are those of a recording, but of one that keeps nothing itself, so that a drawing lives as long
as somebody holds its outputs. A layer's call stands in it as one op.
"""

from itertools import count
from typing import Any

import numpy as np

from gpubp.engine import trees
from gpubp.engine.plan import SCALARS, Operand
from gpubp.engine.trace import Graph, Symbol, needed
from gpubp.ops.registry import graph_of
from gpubp.ops.shapes import B, bound

PLACES = {name: Operand(SCALARS, 8 * k, np.dtype(np.int64), ()) for k, name in enumerate(("rows", "step", "seed"))}


class _Unkept:
    """Stands where a graph keeps its symbols: numbers them and lets go."""

    def __init__(self):
        self.numbers = count()
        self.last = 0

    def append(self, symbol):
        """Takes no note of it."""

    def __len__(self):
        return next(self.numbers)


class Sketch(Graph):
    """The graph of all drawings. What is drawn twice is computed twice."""

    def __init__(self):
        super().__init__(PLACES)
        self.symbols: Any = _Unkept()

    def _once(self, key, *args, **kwargs) -> Symbol:
        return Symbol(self, *args, **kwargs)


SKETCH = Sketch()


class Call:
    """A layer's call: in a sketch it stands where other symbols have their op, one for all outputs of the call.

    Arguments:
        layer: what is called.
        arguments: the positional and the named ones; nested lists, tuples and dicts in which symbols may lie.
    """

    view = False

    def __init__(self, layer, arguments: tuple[tuple, dict]):
        self.layer, self.arguments = layer, arguments
        self.symbols = [x for x in trees.flatten(arguments) if isinstance(x, Symbol)]
        self.outputs: Any = None

    @property
    def name(self) -> str:
        return self.layer.name

    def draw(self):
        """Makes symbols of the sketch for the outputs, whose shapes and dtypes a recording tells."""
        outputs = recorded(lambda args, options: self.layer(*args, **options), self.arguments)
        check_outputs(self.layer, outputs)
        drawn = [
            Symbol(SKETCH, x.dims, x.dtype, op=self, inputs=self.symbols, attrs={"output": k})
            for k, x in enumerate(trees.flatten(outputs))
        ]
        self.outputs = trees.like(outputs, drawn)
        return self.outputs

    def run(self, values: dict[Symbol, Any]) -> list:
        """The outputs for the values of the inputs."""
        args, options = trees.tree_map(lambda x: values[x] if isinstance(x, Symbol) else x, self.arguments)
        return trees.flatten(self.layer(*args, **options))


def is_sketched(inputs) -> bool:
    """Whether any of the inputs belongs to a drawing."""
    return any(isinstance(x, Symbol) and x.graph is SKETCH for x in trees.flatten(inputs))


def source(shape: tuple, dtype) -> Symbol:
    """A symbol that drawings begin with: rows of a shape."""
    return Symbol(SKETCH, (B, *shape), dtype)


def recorded(function, arguments):
    """What a function gives for symbols of these shapes and dtypes, from a recording that is thrown away."""
    graph = Graph(PLACES)
    fresh = [
        graph.input(Operand(f"x{k}", 0, x.dtype, x.dims)) if isinstance(x, Symbol) else x
        for k, x in enumerate(trees.flatten(arguments))
    ]
    with graph.recording():
        return function(*trees.like(arguments, fresh))


def check_outputs(layer, outputs):
    """Raises TypeError unless all that a layer's `call` returns are arrays, as a forgotten return does not."""
    leaves = trees.flatten(outputs)
    wrong = [x for x in leaves if not hasattr(x, "dims")]
    if wrong or not leaves:
        raise TypeError(
            f"call of {layer.name!r} returns {(wrong or [outputs])[0]!r}; it is to return what gpubp.ops and layers "
            "make of its inputs"
        )


def replay(outputs, values: dict[Symbol, Any]):
    """A drawing's outputs for values of its sources, which are symbols of a recording or arrays.

    Raises ValueError if the drawing begins with a source that has no value.
    """
    values = dict(values)
    for symbol in needed(trees.flatten(outputs)):
        if symbol not in values:
            values[symbol] = _replayed(symbol, values)
    return trees.tree_map(values.__getitem__, outputs)


def _replayed(symbol, values):
    if isinstance(symbol.op, Call):
        results = symbol.op.run(values)
        siblings = [s for s in trees.flatten(symbol.op.outputs) if s.op is symbol.op]
        values.update(zip(siblings, results, strict=True))
        return values[symbol]
    if symbol.op is not None:
        return _computed(symbol, values)
    if symbol.constant is not None:
        return symbol.dtype.type(symbol.constant)
    if symbol.array is not None:
        return symbol.array
    return _of_the_program(symbol, values)


def _of_the_program(symbol, values):
    """A number that programs know by name, such as that of the rows."""
    graph, first = graph_of(*values.values()), next(iter(values.values()))
    name = next((name for name, place in PLACES.items() if place is symbol.place), None)
    if name is None:
        raise ValueError("the outputs of a model must be drawn from its inputs alone; here another Input takes part")
    if graph is not None:
        return graph.scalar(name)
    if name != "rows":
        raise ValueError(f"{name!r} is known only inside of a model's training or prediction")
    return np.int64(len(first))


def _computed(symbol, values):
    """The output of an op; where the model is recorded it is recorded, too, even if it takes nothing from there."""
    inputs, graph = [values[x] for x in symbol.inputs], graph_of(*values.values())
    if graph is None:
        rows = len(next(iter(values.values())))
        return symbol.op(*inputs, **{name: bound(x, rows) for name, x in symbol.attrs.items()})
    result = graph.record(symbol.op, inputs, symbol.attrs)
    if symbol.logits:
        activation, logits, axis = symbol.logits
        result.logits = (activation, values[logits], axis) if logits in values else None
    return result
