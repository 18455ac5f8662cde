"""Functions of arrays, recorded, differentiated and compiled: value_and_grad, grad, compile."""

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gpubp.backend import asnumpy, current_device
from gpubp.engine import trees
from gpubp.engine.autodiff import gradients
from gpubp.engine.diagnose import failure
from gpubp.engine.executors import executor_class
from gpubp.engine.executors.memory import Stopped
from gpubp.engine.fuse import copied
from gpubp.engine.plan import Layout, Operand, plan
from gpubp.engine.program import Program
from gpubp.engine.trace import Graph, Symbol
from gpubp.ops.registry import is_weak
from gpubp.ops.shapes import at, size

KEPT_PROGRAMS = 256
_PROGRAMS: dict[Any, "Compiled"] = {}


def value_and_grad(function: Callable, argnums: int = 0, has_aux: bool = False, executor: str = "auto") -> Callable:
    """A function that gives the value of `function` and its gradient by one argument.

    `function` is recorded at every call, so what it captures is never stale; the compiled program is found again by
    the record.

    Arguments:
        function: takes nested dicts and lists of arrays, computes with `gpubp.ops`, returns a float scalar.
        argnums: the position of the argument to differentiate by, all of whose leaves are float arrays. Default 0. To
            differentiate by several put them into one list or dict.
        has_aux: whether `function` returns (scalar, anything else); the value is then that pair. Default False.
        executor: "auto" (compiled, on the current device) or "reference" (NumPy, op by op).

    Returns:
        A function of the same arguments that returns (value, gradient); the gradient has the argument's structure.

    Raises:
        TypeError: for an `argnums` that is no int; at the call, for what are no arrays of numbers of 4 or 8 bytes.
        ValueError: at the call, if the result is not a float scalar.

    >>> import numpy as np
    >>> from gpubp import ops, value_and_grad
    >>> loss = lambda w, x: ops.sum(ops.square(x @ w))
    >>> value, gradient = value_and_grad(loss)(np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]]))
    >>> float(value), gradient.ravel().tolist()
    (121.0, [66.0, 88.0])
    """

    _require_position(argnums)

    def recorded(*arguments, **named):
        result = function(*arguments, **named)
        value, aux = result if has_aux else (result, None)
        argument = _chosen(arguments, argnums)
        chosen = trees.flatten(argument)
        found = trees.like(argument, gradients(_symbol_of(value, chosen), chosen))
        return ((value, aux) if has_aux else value), found

    return functools.wraps(function)(lambda *arguments, **named: _call(recorded, (arguments, named), executor))


def grad(function: Callable, argnums: int = 0, executor: str = "auto") -> Callable:
    """The gradient of a scalar function by one argument; `grad(grad(f))` is the second derivative of f.

    Arguments and errors as of `value_and_grad`.

    >>> import numpy as np
    >>> from gpubp import grad, ops
    >>> cube = lambda x: x * x * x
    >>> float(grad(grad(cube))(np.float64(2.0)))
    12.0
    """

    _require_position(argnums)

    def gradient(*arguments, **named):
        symbols = [x for x in trees.flatten([arguments, named]) if isinstance(x, Symbol)]
        if symbols:
            return _inner_gradient(symbols[0].graph, function, argnums, arguments, named)
        return value_and_grad(function, argnums, executor=executor)(*arguments, **named)[1]

    return functools.wraps(function)(gradient)


def compile(function: Callable, executor: str = "auto") -> Callable:
    """`function`, recorded once for each signature (structure, shapes and dtypes of its arguments).

    For functions that depend on nothing but their arguments: what they capture is taken as it was when they were
    recorded first.

    >>> import numpy as np
    >>> from gpubp import compile, ops
    >>> norm = compile(lambda x: ops.sqrt(ops.sum(x * x)))
    >>> float(norm(np.array([3.0, 4.0])))
    5.0
    """
    known: dict = {}

    @functools.wraps(function)
    def compiled(*arguments, **named):
        arrays = _arrays((arguments, named))
        key = (_structure((arguments, named)), *((x.shape, x.dtype) for x in arrays))
        if key not in known:
            known[key] = _record(function, (arguments, named), executor)
        program, template, captured = known[key]
        return trees.like(template, program([*arrays, *captured]))

    return compiled


@dataclass
class Compiled:
    """A program that maps arrays to arrays.

    Who calls while another thread is at it, or while a signal has interrupted this one, has an executor made for it.
    """

    make: Callable[[], Any]
    outputs: list[Operand]

    def __post_init__(self):
        self.lock, self.executor = threading.Lock(), self.make()

    def __call__(self, arrays: list[np.ndarray]) -> list[np.ndarray]:
        if not self.lock.acquire(blocking=False):
            return self._computed(self.make(), arrays)
        try:
            return self._computed(self.executor, arrays)
        finally:
            self.lock.release()

    def _computed(self, executor, arrays: list[np.ndarray]) -> list[np.ndarray]:
        device, memory = executor.memory.device, executor.memory
        shapes = [at(place.shape, 1) for place in self.outputs]
        empty = [np.empty(shape, place.dtype) for shape, place in zip(shapes, self.outputs, strict=True)]
        results = [device.upload(array).reshape(array.shape) for array in empty]
        names = [f"argument{k}" for k in range(len(arrays))]
        inputs = {n: np.ascontiguousarray(a) for n, a in zip(names, arrays, strict=True)}
        memory.bind(**inputs, **{p.segment: r for p, r in zip(self.outputs, results, strict=True)})
        try:
            executor.run(1, 1)
        except Stopped as stopped:
            raise failure(executor, 1, "while a function was computed") from stopped
        finally:
            memory.release()
        return [device.download(r) for r in results]


def _inner_gradient(graph, function, argnums, arguments, named):
    """The gradient while another function is recorded, by copies: what else uses the same symbols is constant."""
    argument = _chosen(arguments, argnums)
    copies = [copied(_as_symbol(graph, x)).outputs[0] for x in trees.flatten(argument)]
    given = list(arguments)
    given[argnums] = trees.like(argument, copies)
    return trees.like(argument, gradients(_symbol_of(function(*given, **named), copies), copies))


def _require_position(argnums):
    if isinstance(argnums, bool) or not isinstance(argnums, int):
        raise TypeError(
            f"argnums is the position of one argument; it is {argnums!r}. To differentiate by several put them into "
            "one list or dict"
        )


def _chosen(arguments: tuple, argnums: int):
    """The argument to differentiate by. Raises ValueError if there is none at that position."""
    if not -len(arguments) <= argnums < len(arguments):
        raise ValueError(f"argnums is {argnums}, but {len(arguments)} arguments are given by position")
    return arguments[argnums]


def _arrays(call: tuple[tuple, dict]) -> list[np.ndarray]:
    """All arrays of a call's arguments. Raises TypeError for what programs can't compute with."""
    arrays = [asnumpy(x) for x in trees.flatten(call)]
    for dtype in (a.dtype for a in arrays):
        if dtype.kind not in "fiub" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
            raise TypeError(f"functions take float32, float64, integers and bools; an argument is {dtype}")
    return [a.astype(a.dtype.newbyteorder("="), copy=False) for a in arrays]


def _call(function, call, executor):
    program, template, captured = _record(function, call, executor)
    return trees.like(template, program([*_arrays(call), *captured]))


def _record(function, call, executor):
    """The compiled program of a recorded call, the structure of its results, and what it captured.

    The call is (arguments by position, arguments by name).
    """
    arrays = _arrays(call)
    graph = Graph()
    inputs = [graph.input(_argument(k, a)) for k, a in enumerate(arrays)]
    arguments, named = trees.like(call, inputs)
    with graph.recording():
        result = function(*arguments, **named)
    outputs = [_as_symbol(graph, x) for x in trees.flatten(result)]
    captured = [s for s in graph.symbols if s.array is not None]
    for k, symbol in enumerate(captured):
        symbol.place = _argument(len(arrays) + k, symbol.array)
    key = (_hash(graph, outputs), executor, current_device().name)
    if key not in _PROGRAMS:
        if len(_PROGRAMS) >= KEPT_PROGRAMS:
            del _PROGRAMS[next(iter(_PROGRAMS))]  # the oldest
        _PROGRAMS[key] = _plan(outputs, executor)
    return _PROGRAMS[key], result, [s.array for s in captured]


def _argument(k: int, array: np.ndarray) -> Operand:
    return Operand(f"argument{k}", 0, array.dtype, array.shape)


def _as_symbol(graph, x) -> Symbol:
    if isinstance(x, Symbol):
        return x
    array = np.asarray(x)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"the function returns {x!r}; it is to return arrays, in lists and dicts if need be")
    return graph.capture(array)


def _symbol_of(value, chosen) -> Symbol:
    if isinstance(value, Symbol):
        return value
    if is_weak(value) or (isinstance(value, np.ndarray | np.generic) and value.ndim == 0):
        return chosen[0].graph.constant(float(value), chosen[0].dtype)
    raise ValueError(f"the function must return a float scalar; it returned {type(value).__name__}")


def _structure(tree) -> str:
    return repr(trees.like(tree, [None] * len(trees.flatten(tree))))


def _hash(graph, outputs):
    """What makes two recordings the same program: ops, inputs by position, constants."""
    lines = tuple(
        (
            s.op and s.op.name,
            tuple(x.index for x in s.inputs),
            repr(sorted(s.attrs.items())),
            s.dims,
            s.dtype,
            repr(s.constant),
            s.place,
        )
        for s in graph.symbols
    )
    return lines, tuple(s.index for s in outputs)


def _plan(outputs, executor) -> Compiled:
    device = current_device()
    layout = Layout(1, device.align, device.epilogues, device.precisions, device.narrow, device.branches)
    places = [Operand(f"result{k}", 0, s.dtype, s.dims) for k, s in enumerate(outputs)]
    wanted = [(p, s) for p, s in zip(places, outputs, strict=True) if size(s.dims)]
    program = Program([plan("compute", wanted, layout)], layout)
    return Compiled(functools.partial(executor_class(executor, device), program, device), places)
