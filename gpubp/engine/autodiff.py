"""Differentiation: reverse mode walks the record backwards and appends the gradient rules' ops to it.

Source: A. Griewank, A. Walther, Evaluating Derivatives, 2nd ed., SIAM 2008, chapter 3.
"""

from gpubp import ops
from gpubp.engine.trace import Symbol, needed
from gpubp.ops.reductions import sum_to
from gpubp.ops.shapes import public


def gradients(y: Symbol, xs: list[Symbol]) -> list[Symbol]:
    """The gradients of a scalar by symbols of its graph; zeros for those that it does not depend on.

    Raises ValueError if `y` is not a scalar of a float dtype.
    """
    if y.dims != () or y.dtype.kind != "f":
        raise ValueError(f"only a float scalar has a gradient; this has shape {public(y.dims)} and dtype {y.dtype}")
    graph, adjoint = y.graph, {y: y.graph.constant(1.0, y.dtype)}
    for symbol in reversed(_between(y, xs)):
        if symbol.op is not None and symbol in adjoint:
            with graph.within(symbol.scope):
                _propagate(symbol, adjoint)
    return [_of_shape(adjoint.get(x), x) for x in xs]


def _between(y, xs) -> list[Symbol]:
    """The symbols that depend on one of `xs` and that `y` depends on, in order."""
    depends = set(xs)
    between = []
    for symbol in needed([y]):
        if symbol in depends or any(x in depends for x in symbol.inputs):
            depends.add(symbol)
            between.append(symbol)
    return between


def _propagate(symbol, adjoint):
    """Adds to the adjoints of an op's inputs what reaches them through it."""
    parts = symbol.op.gradient(adjoint[symbol], symbol, *symbol.inputs, **symbol.attrs)
    for x, part in zip(symbol.inputs, parts, strict=True):
        if part is not None and x.dtype.kind == "f":
            part = sum_to(part, x.dims)
            adjoint[x] = adjoint[x] + part if x in adjoint else part


def _of_shape(gradient, x):
    if gradient is None:
        gradient = x.graph.constant(0.0, x.dtype)
    return ops.broadcast_to(gradient, x.dims)
