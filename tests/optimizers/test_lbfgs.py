"""L-BFGS on problems whose solutions are known."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der

from gpubp import ops, value_and_grad
from gpubp.optimizers import LBFGS
from gpubp.optimizers.lbfgs import minimize


def rosenbrock(x):
    return rosen(x), rosen_der(x)


def test_rosenbrock():
    found = minimize(rosenbrock, np.full(10, -1.0), tolerance=1e-9, change_tolerance=0.0)
    np.testing.assert_allclose(found.x, 1, rtol=1e-6)
    assert found.converged
    assert found.value == rosen(found.x)
    assert found.evaluations >= found.iterations > 10


def test_least_squares_by_a_recorded_gradient():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((20, 5)), rng.standard_normal((20, 1))
    loss = value_and_grad(lambda x: ops.sum(ops.square(a @ ops.reshape(x, (5, 1)) - b)))
    found = LBFGS(tolerance=1e-10, change_tolerance=0.0).minimize(loss, np.zeros(5))
    np.testing.assert_allclose(found.x, np.linalg.lstsq(a, b)[0][:, 0], rtol=1e-8)


def test_limits_are_kept():
    assert minimize(rosenbrock, np.zeros(4), max_iter=3).iterations == 3
    assert not minimize(rosenbrock, np.zeros(4), max_iter=3).converged
    assert minimize(rosenbrock, np.zeros(4), max_fun=5).evaluations < 10


def test_the_callback_sees_every_iteration_and_may_stop():
    seen = []

    def callback(x, value):
        seen.append((x.copy(), value))
        if len(seen) == 4:
            raise StopIteration

    found = minimize(rosenbrock, np.zeros(3), callback=callback)
    assert len(seen) == found.iterations == 4
    assert all(value == rosen(x) for x, value in seen)


def test_what_the_function_raises_comes_through():
    def broken(x):
        raise FloatingPointError("the loss is not finite")

    with pytest.raises(FloatingPointError, match="not finite"):
        minimize(broken, np.zeros(2))


def test_what_it_cannot_do_is_refused():
    with pytest.raises(ValueError, match="vector"):
        minimize(rosenbrock, np.zeros((2, 2)))
    with pytest.raises(NotImplementedError, match="minimize"):
        LBFGS().update_variable(None, None, None, None, None)


def test_scipy_is_imported_when_it_is_used():
    code = "import sys, gpubp; gpubp.optimizers.get('lbfgs'); print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
