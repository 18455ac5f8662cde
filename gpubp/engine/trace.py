"""Recording: a function called on symbols leaves a graph of the ops that it called."""

import operator
from contextlib import contextmanager
from typing import Any

import numpy as np

from gpubp import ops
from gpubp.backend import asnumpy
from gpubp.engine.operators import Operators, users_line
from gpubp.engine.variables import Variable
from gpubp.ops.registry import REGISTRY, common_dtype, is_weak, meeting_dtype, recording
from gpubp.ops.shapes import B, Dim, public

# What a shape can be computed by from the number of rows.
OF_SHAPES = {"add": operator.add, "subtract": operator.sub, "multiply": operator.mul, "floor_divide": operator.floordiv}
STREAMS = 1 << 12  # how many streams of random numbers there are; layers have the lower ones


class Symbol(Operators):
    """A value of a graph: an input (`place` says where it lives), a constant, or the output of an op.

    It exists only while a function is recorded and has no value then. NumPy's operators work on it; whatever would need
    its value raises and names the line that asked.
    """

    def __init__(self, graph, dims, dtype, op=None, inputs=(), attrs=None, place=None, constant=None, array=None):
        self.graph, self.dims, self.dtype = graph, tuple(dims), np.dtype(dtype)
        self.op, self.inputs, self.attrs = op, tuple(inputs), attrs or {}
        self.place, self.constant, self.array = place, constant, array
        self.scope, self.index = graph.scope, len(graph.symbols)
        self.logits = None  # (activation, logits, axis), where this is the output of one that losses undo
        graph.symbols.append(self)

    @property
    def shape(self):
        """The shape, with None for dimensions that are known only at run time."""
        return public(self.dims)

    @property
    def ndim(self):
        return len(self.dims)

    def _refuse(self, *args, **kwargs):
        raise TypeError(
            f"{users_line()}: a symbol has no value while a function is recorded, so bool(), float(), int(), "
            "iteration and NumPy functions can't use it; gpubp.ops computes with symbols, ops.where chooses"
        )

    __bool__ = __float__ = __int__ = __iter__ = __array__ = __len__ = __index__ = _refuse

    def _refuse_ufunc(self, *args, **kwargs):
        self._refuse()

    def __repr__(self):
        return f"<symbol {self.op.name if self.op else 'input'} shape={self.shape} dtype={self.dtype}>"


class Graph:
    """Symbols in the order of their recording, which is a topological order.

    `scalars` are the places of what a program reads of itself by name: rows, step, seed, learning_rate. Variables of
    `store` are read where they lie; others, `strangers`, are captured.
    """

    def __init__(self, scalars=None, store=None):
        self.symbols: Any = []
        self.scope = ""
        self.assignments: dict[Variable, Symbol] = {}
        self.losses: list[Symbol] = []  # scalars that layers add to the loss
        self.strangers: dict[Variable, Symbol] = {}
        self._drawn: set[int] = set()
        self._scalars, self._store = scalars or {}, store
        self._known: dict = {}

    def input(self, place) -> Symbol:
        return self._once(("input", place), place.shape, place.dtype, place=place)

    def constant(self, value, dtype) -> Symbol:
        return self._once(("constant", repr(value), np.dtype(dtype)), (), dtype, constant=value)

    def capture(self, array: np.ndarray) -> Symbol:
        """An array that the function uses but does not get as an argument: an input, so that it is never stale."""
        return self._once(("array", id(array)), array.shape, array.dtype, array=array)

    def refuse_weights(self, layer: str):
        """Raises ValueError in a model's program, where weights would be made too late to be the model's."""
        if self._store is not None:
            raise ValueError(
                f"{users_line()}: the layer {layer!r} makes weights in a call of a model that is built already, which "
                "would neither train nor keep them: make layers in __init__ and weights in build"
            )

    def knows(self, name: str) -> bool:
        """Whether its program has a scalar of this name."""
        return name in self._scalars

    def reads(self, name: str) -> bool:
        """Whether a scalar of its program has been asked for."""
        return self.knows(name) and ("input", self._scalars[name]) in self._known

    def scalar(self, name: str) -> Symbol:
        if name not in self._scalars:
            raise ValueError(f"{users_line()}: {name!r} is known only inside of a model's training or prediction")
        return self.input(self._scalars[name])

    def rows(self, count: Dim = B) -> Symbol:
        """k*B + c as an int64 value."""
        rows = self.scalar("rows")
        rows = rows if count.k == 1 else rows * count.k
        return rows + count.c if count.c else rows

    def dimension(self, symbol) -> int | Dim:
        """The dimension that a symbol stands for: the rows, or what was computed from them and whole numbers."""
        if symbol.constant is not None and symbol.dtype.kind == "i":
            return symbol.constant
        if symbol.place is not None and symbol.place is self._scalars.get("rows"):
            return B
        if symbol.op is not None and symbol.op.name in OF_SHAPES:
            return OF_SHAPES[symbol.op.name](*map(self.dimension, symbol.inputs))
        raise ValueError(f"{users_line()}: a shape holds ints and what ops.shape gives; {symbol!r} is neither")

    def record(self, op, inputs, attrs) -> Symbol:
        """The output of an op; the same op on the same symbols is the same symbol."""
        symbols = self._symbols(op, inputs)
        try:
            dims = op.shape(*(x.dims for x in symbols), **attrs)
        except ValueError as error:
            raise ValueError(f"{users_line()}: {op.name}{_in(self.scope)}: {error}") from None
        kept = _kept_by_one(op, symbols, dims)
        if kept is not None:
            return kept
        dtype = op.dtype(*(x.dtype for x in symbols), **attrs)
        key = (op.name, tuple(x.index for x in symbols), tuple(sorted(attrs.items())))
        return self._once(key, dims, dtype, op=op, inputs=symbols, attrs=attrs)

    def recording(self):
        """A context in which ops on variables alone are recorded here, too."""
        return recording(self)

    def draw(self, stream: int = STREAMS - 1) -> int:
        """The stream itself when it is first asked for in this recording, later on one of its own from the top."""
        again = stream in self._drawn
        drawn = STREAMS - 1 - sum(s > STREAMS // 2 for s in self._drawn) if again else stream
        self._drawn.add(drawn)
        return drawn

    @contextmanager
    def within(self, scope: str):
        """What is recorded inside is of this layer."""
        outer, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = outer

    def _symbols(self, op, inputs):
        inputs = [self._symbol(x) for x in inputs]
        together, dtype = meeting_dtype(op, inputs)
        return tuple(self._of_dtype(x, dtype if k in together else None) for k, x in enumerate(inputs))

    def _symbol(self, x):
        """Arrays and variables as symbols; Python's numbers wait for their dtype."""
        if isinstance(x, Symbol):
            if x.graph is not self:
                raise ValueError(f"{users_line()}: a symbol of another recording is used here")
            return x
        if isinstance(x, Variable):
            known = x.store is not None and x.store is self._store
            return self.input(x.place) if known else self.strangers.setdefault(x, self.capture(x.array))
        return x if is_weak(x) else self.capture(x if isinstance(x, np.ndarray) else asnumpy(x))

    def _of_dtype(self, x, dtype):
        if is_weak(x):
            return self.constant(x, common_dtype([x]) if dtype is None else dtype)
        return x if dtype is None or x.dtype == dtype else ops.cast(x, dtype)

    def _once(self, key, *args, **kwargs) -> Symbol:
        if key not in self._known:
            self._known[key] = Symbol(self, *args, **kwargs)
        return self._known[key]


def _in(scope):
    return f" in the layer {scope!r}" if scope else ""


def _kept_by_one(op, symbols, dims):
    """x * 1 and x / 1 are x: reverse mode starts from a one, which need not reach the program."""
    if op is REGISTRY["multiply"] or op is REGISTRY["divide"]:
        for x, other in ((symbols[0], symbols[1]), (symbols[1], symbols[0])):
            if other.constant == 1 and x.dims == dims and (op.name == "multiply" or other is symbols[1]):
                return x
    return None


def needed(outputs) -> list[Symbol]:
    """All symbols that the outputs depend on, in order; what is not among them is dead code."""
    found: set[Symbol] = set()
    stack = list(outputs)
    while stack:
        symbol = stack.pop()
        if symbol not in found:
            found.add(symbol)
            stack.extend(symbol.inputs)
    return sorted(found, key=lambda s: s.index)
