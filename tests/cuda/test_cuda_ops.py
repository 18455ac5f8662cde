"""Every op of the registry by its CUDA kernels, run on the emulated device, against the reference."""

import re

import numpy as np
import pytest
from test_ops import CASES, agree, drawn

import gpubp
from gpubp.kernels.cuda import source
from gpubp.ops.registry import REGISTRY

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
    for (op, _, _), found, wanted in zip(calls, results(calls), results(calls, "reference"), strict=True):
        try:
            agree(found, wanted)
        except AssertionError as error:
            raise AssertionError(f"{op.name}: {error}") from None
