"""Gradients held against central finite differences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from gpubp import ops
from gpubp.engine import trees
from gpubp.engine.functions import compile, grad

ROUNDING = 16 * np.finfo(np.float64).eps  # the share of a value that rounding may have changed


class GradientError(AssertionError):
    """A gradient that finite differences contradict."""


def gradcheck(
    function: Callable,
    *arguments,
    argnums: int = 0,
    order: int = 1,
    elementwise: bool = False,
    directions: int = 3,
    rtol: float = 1e-6,
    eps: float = 6e-6,
    executor: str = "reference",
    seed: int = 0,
) -> float:
    """Checks the gradient g of a function f by one argument x: g·d is to be (f(x + eps d) - f(x - eps d)) / (2 eps).

    Along random directions d of each leaf of the argument, two evaluations each, or along each element. Of a function
    that gives more than a scalar, the gradient of its product with a random array is checked. Differences that the
    rounding of f explains count as none. Where f has a kink between x - eps d and x + eps d, they mean nothing.

    Arguments:
        function: takes nested dicts and lists of arrays, computes with `gpubp.ops`, returns a float64 array.
        arguments: what to call it with; all floats of them float64.
        argnums: the position of the argument to differentiate by. Default 0.
        order: 1, or 2 to check the gradient of the derivative along a random direction as well. Default 1.
        elementwise: whether every element of the argument is checked by itself. Default False.
        directions: number of random directions for each leaf. Default 3.
        rtol: the largest relative error that passes. Default 1e-6.
        eps: the step. Default 6e-6, the cube root of float64's precision, which suits arguments around 1.
        executor: "reference" (NumPy, op by op) or "auto" (compiled, on the current device).
        seed: of directions and weights. Default 0.

    Returns:
        The largest relative error that was met.

    Raises:
        GradientError: names the leaf, the value that finite differences give, the value found, and the step.
        TypeError: for floats that are not float64, or a leaf to differentiate by that is not a float.
        ValueError: for an order that is neither 1 nor 2.

    Source: W. Press et al., Numerical Recipes, 3rd ed., Cambridge 2007, section 5.7, for the step.

    >>> import numpy as np
    >>> from gpubp import gradcheck, ops
    >>> gradcheck(lambda p: ops.tanh(p["x"] @ p["w"]), {"x": np.ones((2, 3)), "w": np.eye(3)}, order=2) < 1e-6
    True
    """
    if order not in (1, 2):
        raise ValueError(f"order is 1 or 2; it is {order!r}")
    _require_float64(arguments, argnums)
    rng = np.random.default_rng(seed)
    check = _Check(arguments, argnums, executor, rtol, eps, None if elementwise else directions, rng)
    shape = np.shape(_float64(compile(function, executor)(*arguments)))
    weights = rng.standard_normal(shape) if shape else np.ones(())
    worst = check.largest_error(function, weights, "the derivative")
    if order == 2:
        along = [rng.standard_normal(np.shape(x)) for x in trees.flatten(arguments[argnums])]
        slope = _slope(function, weights, argnums, along)
        worst = max(worst, check.largest_error(slope, np.ones(()), "the second derivative"))
    return worst


@dataclass
class _Check:
    arguments: tuple
    argnums: int
    executor: str
    rtol: float
    eps: float
    directions: int | None  # None: every element
    rng: np.random.Generator

    def largest_error(self, function, weights, what) -> float:
        """Of the gradient of the sum of weights * function."""
        run = compile(function, self.executor)
        found = grad(_weighted(function, weights), self.argnums, executor=self.executor)(*self.arguments)
        names = _named(self.arguments[self.argnums], f"argument {self.argnums}")
        worst = 0.0
        for k, ((name, x), g) in enumerate(zip(names, trees.flatten(found), strict=True)):
            for where, d in self._along(np.shape(x)):
                expected, noise = self._differences(run, weights, k, d)
                error = _relative_error(expected, np.sum(g * d), noise)
                if not error <= self.rtol:
                    raise GradientError(
                        f"{what} by {name}{where}: finite differences of step {self.eps:g} give {expected:.10g}, "
                        f"the gradient {np.sum(g * d):.10g}; the relative error is {error:.2g}"
                    )
                worst = max(worst, error)
        return worst

    def _along(self, shape) -> Iterator[tuple[str, np.ndarray]]:
        """Directions and how a message calls them."""
        if self.directions is not None:
            yield from ((" along a random direction", self.rng.standard_normal(shape)) for _ in range(self.directions))
            return
        for index in np.ndindex(shape):
            unit = np.zeros(shape)
            unit[index] = 1.0
            yield (str(list(index)) if index else ""), unit

    def _differences(self, run, weights, leaf, direction) -> tuple[float, float]:
        """The derivative along a direction, and how far rounding alone may have moved it."""
        leaves = trees.flatten(self.arguments[self.argnums])
        up, down = (
            weights * run(*self._with([*leaves[:leaf], leaves[leaf] + step * direction, *leaves[leaf + 1 :]]))
            for step in (self.eps, -self.eps)
        )
        return np.sum(up - down) / (2 * self.eps), ROUNDING * np.sum(abs(up) + abs(down)) / (2 * self.eps)

    def _with(self, leaves):
        arguments = list(self.arguments)
        arguments[self.argnums] = trees.like(arguments[self.argnums], leaves)
        return arguments


def _relative_error(expected, found, noise) -> float:
    difference = abs(expected - found)
    if difference <= noise:
        return 0.0
    return float(difference / max(abs(expected), abs(found)))


def _weighted(function, weights):
    return lambda *arguments: ops.sum(function(*arguments) * weights)


def _slope(function, weights, argnums, directions):
    """The derivative of the weighted sum along fixed directions; its gradient holds second derivatives."""
    gradient = grad(_weighted(function, weights), argnums)

    def slope(*arguments):
        found = trees.flatten(gradient(*arguments))
        return reduce(ops.add, (ops.sum(g * d) for g, d in zip(found, directions, strict=True)))

    return slope


def _named(tree, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """The leaves in their order, each with the expression that leads to it."""
    if isinstance(tree, dict):
        for key in sorted(tree):
            yield from _named(tree[key], f"{name}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for k, branch in enumerate(tree):
            yield from _named(branch, f"{name}[{k}]")
    else:
        yield name, tree


def _require_float64(arguments, argnums):
    for k, argument in enumerate(arguments):
        for name, x in _named(argument, f"argument {k}"):
            dtype = np.asarray(x).dtype
            if dtype != np.float64 and (k == argnums or dtype.kind == "f"):
                raise TypeError(
                    f"{name} is {dtype}; differences need float64: pass it as np.asarray(..., dtype=np.float64)"
                )


def _float64(result):
    """The function's result. Raises TypeError unless it is a float64 array."""
    dtype = getattr(result, "dtype", type(result).__name__)
    if dtype != np.float64:
        raise TypeError(f"the function gave {dtype}; differences need float64: keep its constants and casts in float64")
    return result
