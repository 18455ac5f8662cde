"""Every op of the registry by its CUDA kernels, run on the emulated device, against the reference."""

import re

import numpy as np
import pytest

import gpubp
from gpubp import ops
from gpubp.kernels.cuda import source
from gpubp.ops.registry import REGISTRY

from ..engine.op_cases import CASES, DONE, agree, alike, arity, drawn, special_values

PENDING: set[str] = set()  # ops whose kernels have no counterpart in CUDA C++ yet


def test_every_kernel_of_the_registry_is_written():
    missing = {op.name for op in REGISTRY.values() if op.kernel and not written(*op.kernel.split("."))}
    assert missing == PENDING


def written(family, function) -> bool:
    path = source.FOLDER / f"{family}.cu"
    return path.exists() and re.search(rf"__device__ void {function}\(", path.read_text()) is not None


def results(calls, executor="auto"):
    """The results of many calls, by one program."""
    arrays = [a for _, inputs, _ in calls for a in inputs]

    def function(*given):
        left = iter(given)
        return [op(*(next(left) for _ in inputs), **attrs) for op, inputs, attrs in calls]

    return gpubp.compile(function, executor=executor)(*arrays)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("order", [0, 1, 5])
def test_ops_compute_what_the_reference_does(gpu, dtype, order):
    gpu.order = order
    cases = [c.values for c in CASES if c.values[0].name not in PENDING]
    calls = [(op, drawn(op, inputs, dtype), attrs) for op, inputs, attrs in cases]
    compare(calls, agree)
    assert sum(asked[0] == "launch" for asked in gpu.record) > len(calls) / 2


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_special_values_are_what_numpy_makes_of_them(gpu, dtype):
    """NaN, infinities, zeros of both signs and denormals, each with each."""
    values = special_values(dtype)
    chosen = [op for op in REGISTRY.values() if op.expression and not op.examples and op.name not in DONE]
    compare([(op, [values] if arity(op) == 1 else [values[:, None], values], {}) for op in chosen], alike)


def compare(calls, same):
    for (op, _, _), found, wanted in zip(calls, results(calls), results(calls, "reference"), strict=True):
        try:
            same(found, wanted)
        except AssertionError as error:
            raise AssertionError(f"{op.name}: {error}") from None


@pytest.mark.parametrize("columns", [1, 2, 7, 31, 33, 257, 1100])
@pytest.mark.parametrize("rows", [1, 3, 70])
def test_rows_and_columns_of_any_number_are_reduced(gpu, rows, columns):
    """One thread, a few, a warp or a block takes a row; one block or several take a column."""
    rng = np.random.default_rng(rows * columns)
    x, y = rng.integers(-4, 5, (2, rows, columns)).astype(np.float32)
    x[0, 0] = np.nan if rows == 3 else x[0, 0]

    def function(x, y):
        shifted = x - ops.max(x, axis=1, keepdims=True)
        return [shifted * y, ops.sum(shifted * y, axis=0), ops.sum(y * y), ops.min(x + y, axis=1), ops.sum(y, axis=0)]

    for found, wanted in zip(gpubp.compile(function)(x, y), gpubp.compile(function, "reference")(x, y), strict=True):
        np.testing.assert_array_equal(found, wanted)
