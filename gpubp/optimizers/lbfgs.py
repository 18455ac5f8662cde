"""L-BFGS, by SciPy: the host asks for the loss and the gradient over all rows, as often as its line search wants to."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer


@dataclass(frozen=True)
class Minimum:
    """What a minimisation found.

    Arguments:
        x: the best parameters.
        value: the function there.
        iterations, evaluations: how many it took.
        converged: whether it stopped because of a tolerance, not of a limit.
        message: why it stopped, in the words of SciPy.
        status: the same as SciPy's number: 0 a tolerance, 1 a limit.
    """

    x: np.ndarray
    value: float
    iterations: int
    evaluations: int
    converged: bool
    message: str
    status: int


class LBFGS(Optimizer):
    """L-BFGS: a quasi-Newton method with line search, for small networks and whole data sets instead of batches.

    Arguments:
        max_iter: how many iterations at most. Default 200.
        max_fun: how many evaluations of loss and gradient at most. Default 15000.
        tolerance: it stops where no element of the gradient is larger. Default 1e-5.
        change_tolerance: it stops where an iteration lessens the loss by less than this share of it (of 1, where the
            loss is smaller than 1). Default 2.2e-9.
        memory: how many past gradients it keeps. Default 10.
        name: default "lbfgs".

    Raises:
        ValueError: for values out of range.

    Source: R. Byrd, P. Lu, J. Nocedal, C. Zhu, A limited memory algorithm for bound constrained optimization, SIAM
    Journal on Scientific Computing 1995; scipy.optimize.minimize(method="L-BFGS-B")
    """

    def __init__(
        self,
        max_iter: int = 200,
        max_fun: int = 15000,
        tolerance: float = 1e-5,
        change_tolerance: float = 2.2e-9,
        memory: int = 10,
        name: str = "lbfgs",
    ):
        super().__init__(learning_rate=1.0, name=name)
        check("max_iter", max_iter, "at least 1", int)
        check("max_fun", max_fun, "at least 1", int)
        check("tolerance", tolerance, "at least 0")
        check("change_tolerance", change_tolerance, "at least 0")
        check("memory", memory, "at least 1", int)
        self.max_iter, self.max_fun, self.memory = max_iter, max_fun, memory
        self.tolerance, self.change_tolerance = tolerance, change_tolerance
        self.found: Minimum | None = None  # what the last minimisation found

    def update_variable(self, parameter, gradient, rate, step, slots):
        raise NotImplementedError("LBFGS has no update of one step: `minimize` evaluates as often as it needs to")

    def minimize(self, value_and_gradient: Callable, x0, callback: Callable | None = None) -> Minimum:
        """Minimises a function, as `minimize` with the arguments of this optimizer."""
        self.found = minimize(
            value_and_gradient,
            x0,
            self.max_iter,
            self.max_fun,
            self.tolerance,
            self.change_tolerance,
            self.memory,
            callback,
        )
        return self.found


def minimize(
    value_and_gradient: Callable,
    x0,
    max_iter: int = 200,
    max_fun: int = 15000,
    tolerance: float = 1e-5,
    change_tolerance: float = 2.2e-9,
    memory: int = 10,
    callback: Callable | None = None,
) -> Minimum:
    """Minimises a function of a vector by L-BFGS.

    Arguments:
        value_and_gradient: takes x, a float64 array (n,) that it must not keep, and returns (value, gradient (n,)).
            What it raises comes through.
        x0: array (n,), from where to begin.
        max_iter, max_fun, tolerance, change_tolerance, memory: as of `LBFGS`.
        callback: called after each iteration with (x, value); raises StopIteration to stop there. Default none.

    Returns:
        A Minimum.

    Raises:
        ValueError: if x0 is not a vector.

    >>> from gpubp.optimizers.lbfgs import minimize
    >>> found = minimize(lambda x: (float(((x - 3) ** 2).sum()), 2 * (x - 3)), [0.0, 9.0])
    >>> found.x.round(4).tolist(), found.converged
    ([3.0, 3.0], True)
    """
    from scipy.optimize import minimize as scipy_minimize  # takes long to import, and is rarely needed

    x0 = np.asarray(x0, np.float64)
    if x0.ndim != 1:
        raise ValueError(f"x0 must be a vector; it has shape {x0.shape}")

    def evaluate(x):
        value, gradient = value_and_gradient(x)
        return float(value), np.asarray(gradient, np.float64)

    def report(intermediate_result):
        if callback:
            callback(intermediate_result.x, float(intermediate_result.fun))

    options = {"maxiter": max_iter, "maxfun": max_fun, "gtol": tolerance, "ftol": change_tolerance, "maxcor": memory}
    found = scipy_minimize(evaluate, x0, jac=True, method="L-BFGS-B", callback=report, options=options)
    return Minimum(
        found.x,
        float(found.fun),
        int(found.nit),
        int(found.nfev),
        bool(found.success),
        str(found.message),
        int(found.status),
    )
