"""Examples of all ops, for every test of them: a new op is found in the registry and needs no line here."""

import inspect

import numpy as np
import pytest

from gpubp.ops.registry import REGISTRY

# A graph is what these are made for: `iota` has no input to find it by, `stop_gradient` is not what it seems to be.
ALONE = {"iota", "stop_gradient"}
DONE = ALONE | {"check_finite"}
BATCHES = {"take_rows", "take_sparse_rows"}  # gather data, which nobody differentiates by
SHAPES = {
    1: [((3, 4),), ((1, 1),), ((17,),), ((2, 3, 11),)],
    2: [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 1), (1, 5)), ((), (2, 3)), ((2, 1, 9), (1, 4, 1))],
}
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-310, 1e-40, -1e-40, 1e300, 1e30, 0.5, -2.0]


def arity(op):
    """How many inputs an op takes, from its gradient rule, which gets them after dy and y."""
    parameters = list(inspect.signature(op.gradient).parameters.values())[2:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return len(op.gradient(None, None))
    return len(parameters)


def examples():
    for op in REGISTRY.values():
        if op.name not in ALONE:
            for k, example in enumerate(op.examples or [(shapes, {}) for shapes in SHAPES[arity(op)]]):
                yield pytest.param(op, *example, id=f"{op.name}-{k}")


CASES = list(examples())


def drawn(op, inputs, dtype=np.float64, seed=0):
    """The example's inputs: arrays as they are, shapes filled from the op's domain."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(*op.domain, x).astype(dtype) if isinstance(x, tuple) else x for x in inputs]


def agree(found, wanted):
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    tolerance = 8 * np.finfo(found.dtype).eps if found.dtype.kind == "f" else 0
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def special_values(dtype):
    return np.array([x for x in SPECIAL if dtype == np.float64 or abs(x) != 1e300], dtype)


def alike(found, wanted):
    """NaN and infinities in the same places, the rest equal to a few units in the last place."""
    if found.dtype.kind != "f":
        np.testing.assert_array_equal(found, wanted)
        return
    for what in (np.isnan, np.isposinf, np.isneginf):
        np.testing.assert_array_equal(what(found), what(wanted), err_msg=what.__name__)
    finite = np.isfinite(wanted)
    np.testing.assert_allclose(found[finite], wanted[finite], rtol=8 * np.finfo(found.dtype).eps)
