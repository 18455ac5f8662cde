"""Every public function of ops: against NumPy, SciPy and autograd, recorded over any number of rows, differentiated."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest

import gpubp
from gpubp import ops
from gpubp.engine import trees
from gpubp.engine.executors.cpu import CPU
from gpubp.engine.executors.reference import Reference
from gpubp.ops.registry import Op
from gpubp.ops.shapes import at

from .cases import Ints
from .more_cases import CASES
from .programs import ROWS, results

PARAMETERS = [pytest.param(c, id=f"{c.name}-{k}") for k, c in enumerate(CASES)]


def given(case, rows=3, dtype=np.float64, seed=0):
    """The inputs of a case: shapes filled with random numbers from its domain."""
    rng = np.random.default_rng(seed)
    arrays = []
    for x in case.inputs:
        if isinstance(x, Ints):
            arrays.append(rng.integers(x.low, x.high, at(x.shape, rows)))
        else:
            arrays.append(rng.uniform(*case.domain, at(x, rows)).astype(dtype) if isinstance(x, tuple) else x)
    return arrays


def computed(case):
    return lambda *xs: case.ours(ops, *xs)


def test_every_function_is_met():
    """Ops by themselves are found in the registry by `tests/engine/test_ops.py`."""
    public = {name for name in vars(ops) if not name.startswith("_") and callable(getattr(ops, name))}
    assert {c.name for c in CASES} == {name for name in public if not isinstance(getattr(ops, name), Op)}


@pytest.mark.parametrize("case", PARAMETERS)
def test_values_equal_numpys(case):
    for rows in (3, 1):
        arrays = given(case, rows)
        found, wanted = computed(case)(*arrays), np.asarray(case.oracle(anp, *arrays))
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("case", [p for p in PARAMETERS if p.values[0].order])
def test_gradients_equal_finite_differences(case):
    arrays = given(case)
    floats = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]

    def function(chosen):
        return case.ours(ops, *with_floats(arrays, floats, chosen))

    gpubp.gradcheck(function, [arrays[k] for k in floats], order=case.order)


def with_floats(arrays, floats, chosen):
    known = dict(zip(floats, chosen, strict=True))
    return [known.get(k, a) for k, a in enumerate(arrays)]


@pytest.mark.parametrize("case", [p for p in PARAMETERS if p.values[0].autograd])
def test_gradients_equal_those_of_hips_autograd(case):
    arrays = given(case)
    floats = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]
    chosen = [arrays[k] for k in floats]
    theirs = lambda chosen: anp.sum(anp.sin(case.oracle(anp, *with_floats(arrays, floats, chosen))))  # noqa: E731
    ours = lambda chosen: ops.sum(ops.sin(case.ours(ops, *with_floats(arrays, floats, chosen))))  # noqa: E731
    for found, wanted in zip(
        gpubp.grad(ours, executor="reference")(chosen), autograd.grad(theirs)(chosen), strict=True
    ):
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def agree(found, wanted):
    """As far as the executors' arithmetic does."""
    for a, b in zip(found, wanted, strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        if a.dtype.kind == "f":
            tolerance = 1e-12 if a.dtype == np.float64 else 1e-5
            assert np.linalg.norm(a - b) <= tolerance * np.linalg.norm(b)
        else:
            np.testing.assert_array_equal(a, b)


# By turns in both dtypes, since kernels take time to compile; the ops that all is made of are met in both elsewhere.
DTYPES = [(p.values[0], (np.float64, np.float32)[k % 2]) for k, p in enumerate(PARAMETERS)]


@pytest.mark.parametrize(("case", "dtype"), DTYPES, ids=[p.id for p in PARAMETERS])
def test_programs_over_any_number_of_rows_compute_the_same(case, dtype):
    """The value and its gradient, fused by the CPU executor and op by op by the reference; at once, the value."""
    shapes = [x.shape if isinstance(x, Ints | np.ndarray) else x for x in case.inputs]
    for rows in (ROWS, 1):
        arrays = given(case, rows, dtype)
        inputs = computed(case), shapes, [a.dtype for a in arrays], case.order > 0
        wanted = results(*inputs, Reference, arrays, rows)
        agree(wanted[:1], trees.flatten(computed(case)(*arrays)))
        agree(results(*inputs, CPU, arrays, rows), wanted)
    agree(results(*inputs, CPU, arrays, 1, fused=False), wanted)
