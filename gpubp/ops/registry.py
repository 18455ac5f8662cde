"""What an op is. Called on symbols it records itself; called on arrays it computes at once, by its NumPy reference."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np

from gpubp.backend import asnumpy
from gpubp.ops.shapes import Dim, Dimension, Shape

REGISTRY: dict[str, "Op"] = {}
# The graph that is being recorded: variables belong to it meanwhile, so that ops on them alone are recorded, too.
RECORDING: ContextVar[Any] = ContextVar("recording", default=None)


@dataclass(frozen=True, eq=False)
class Op:
    """One thing that can be computed, with all that the engine needs to know of it.

    The rules get symbols or arrays; ``attrs`` are the op's constants. An op has either an `expression`, from which
    fused kernels are generated, or a `reduction`, which they can hold as well, or a `kernel` of its own, or is a `view`
    of its input's bytes.
    """

    name: str
    shape: Callable[..., Shape]  # (*shapes, **attrs) -> shape
    reference: Callable[..., Any]  # (*arrays, **attrs) -> array
    gradient: Callable[..., Sequence[Any]]  # (dy, y, *inputs, **attrs) -> one gradient, or None, per input
    dtype: Callable[..., Any]  # (*dtypes, **attrs) -> dtype of the result
    common: tuple[int, ...] | None = None  # positions of the inputs that are brought to one dtype; None: all
    floats: bool = False  # whether integers and booleans are brought to float32, as in Keras
    expression: str | None = None  # of one element: a template such as "{0} + {1}", or a function of the math library
    reduction: str | None = None  # "sum", "max" or "min"
    kernel: str | None = None  # "family.function" in kernels/
    views: Callable[..., tuple] | None = None  # (*shapes of inputs and output, **attrs) -> shapes the kernel works on
    options: Callable[..., tuple[int, ...]] | None = None  # like views -> integers that the kernel gets after them
    view: bool = False
    smooth: bool = True  # differentiable twice wherever `domain` reaches
    domain: tuple[float, float] = (-2.0, 2.0)  # where tests draw the elements of inputs from
    examples: tuple = ()  # ((arrays or shapes of inputs...), attrs) for the tests; elementwise ops have default ones

    def __call__(self, *inputs, **attrs):
        graph = graph_of(*inputs)
        if graph is not None:
            return graph.record(self, inputs, attrs)
        arrays = harmonised(self, inputs)
        self.shape(*(a.shape for a in arrays), **attrs)  # refuses what does not fit, as recording does
        with np.errstate(all="ignore"):
            return self.reference(*arrays, **attrs)

    def __reduce__(self):
        """Ops are pickled, and copied, by name."""
        return find, (self.name,)

    def __repr__(self):
        return f"<op {self.name}>"


def find(name: str) -> Op:
    """The op of a name."""
    return REGISTRY[name]


def register(name: str, **rules) -> Op:
    """Makes an op known. Raises ValueError if the name is taken."""
    if name in REGISTRY:
        raise ValueError(f"there is an op {name!r} already")
    op = REGISTRY[name] = Op(name, **rules)
    return op


def same_dtype(first, *rest, **attrs):
    """The dtype rule of most ops."""
    return first


def is_weak(x) -> bool:
    """Python's numbers take on the dtype of the arrays that they meet."""
    return isinstance(x, bool | int | float) and not isinstance(x, np.generic)


def common_dtype(values) -> np.dtype:
    """The dtype that mixed inputs are brought to, as in Keras 3: floats win over integers, the wider wins.

    Source: https://keras.io/api (backend.result_type). Python's numbers are weak: a float among integers asks for
    float32, and otherwise they follow the arrays.
    """
    strong = [np.dtype(x.dtype) for x in values if not is_weak(x)]
    floats = [d for d in strong if d.kind == "f" or d.name == "bfloat16"]
    if floats:
        return np.result_type(*floats)
    if any(isinstance(x, float) for x in values):
        return np.dtype(np.float32)
    if strong:
        widest = np.result_type(*strong)
        weak_int = any(isinstance(x, int) and not isinstance(x, bool) for x in values if is_weak(x))
        return np.dtype(np.int64) if widest.kind == "b" and weak_int else widest
    return np.dtype(bool) if all(isinstance(x, bool) for x in values) else np.dtype(np.int64)


def harmonised(op: Op, inputs) -> list[np.ndarray]:
    """Inputs as arrays; those at the op's `common` positions in one dtype."""
    values = [x if is_weak(x) else asnumpy(x) for x in inputs]
    together, dtype = meeting_dtype(op, values)
    return [np.asarray(x, dtype if k in together else None) for k, x in enumerate(values)]


def meeting_dtype(op: Op, values) -> tuple[Sequence[int], np.dtype | None]:
    """The positions of the inputs that an op brings to one dtype, and that dtype."""
    together = range(len(values)) if op.common is None else op.common
    if not together:
        return together, None
    dtype = common_dtype([values[k] for k in together])
    return together, np.dtype(np.float32) if op.floats and dtype.kind in "iub" else dtype


def graph_of(*values):
    """The graph that symbols, or variables while one is recorded, belong to; None if all are arrays or numbers."""
    return next((g for g in (getattr(x, "graph", None) for x in values) if g is not None), None)


@contextmanager
def recording(graph):
    """Variables belong to this graph inside; to None where they have values."""
    token = RECORDING.set(graph)
    try:
        yield graph
    finally:
        RECORDING.reset(token)


def value(x):
    """Symbols and variables as they are, anything else as an array."""
    return x if hasattr(x, "dims") else asnumpy(x)


def dims(x) -> Shape:
    """The shape of an array or, with its symbolic dimensions, of a symbol."""
    return x.dims if hasattr(x, "dims") else np.shape(x)


def resolved(shape) -> Shape:
    """A shape that a user gives: ints, and symbols that `ops.shape` gave or that were computed from these."""
    entries = (shape,) if isinstance(shape, int | np.integer | Dim) or graph_of(shape) else shape
    return tuple(d if isinstance(d, Dim) else d.graph.dimension(d) if graph_of(d) else index(d) for d in entries)


def number(d: Dimension, x):
    """A dimension of `x` to compute with: an int, or a symbol of what the program reads when it runs."""
    return x.graph.rows(d) if isinstance(d, Dim) else d
