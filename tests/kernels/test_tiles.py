"""Products by tiles against NumPy in float64, with memory around them that nobody may touch."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gpubp.kernels.cpu import compile, generate

TOLERANCE = {"float32": 3e-7, "float64": 1e-15}
EDGE = 7.5  # what lies around a result


def product(a, b, ta=False, tb=False, start=None, relu=False):
    """What the kernel makes of two matrices, as columns 1 to n of a wider array. `start`: "result", a row, or None."""
    m, k = a.shape[::-1] if ta else a.shape
    n = b.shape[0] if tb else b.shape[1]
    wide = np.full((m + 2, n + 2), EDGE, a.dtype)
    c = wide[1:-1, 1:-1]
    address, row = 0, 0
    if isinstance(start, np.ndarray):
        c[...] = start
        address, row = (c.ctypes.data, c.strides[0]) if start.ndim == 2 else (start.ctypes.data, 0)
    widths = (a.ctypes.data, a.shape[1], b.ctypes.data, b.shape[1], c.ctypes.data, n + 2)
    given = (*widths, m, n, k, ta, tb, address, row, relu)
    ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(given))(compile.address(generate.tiles(a.dtype.name)))(*given)
    result = c.copy()
    c[...] = EDGE
    assert (wide == EDGE).all()
    return result


def factors(m, n, k, ta, tb, dtype, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((k, m) if ta else (m, k)), rng.standard_normal((n, k) if tb else (k, n))
    return a.astype(dtype), b.astype(dtype)


@settings(max_examples=150, deadline=None)
@given(
    m=st.integers(1, 40),
    n=st.integers(1, 150),
    k=st.integers(1, 50),
    ta=st.booleans(),
    tb=st.booleans(),
    start=st.sampled_from(["nothing", "result", "row"]),
    relu=st.booleans(),
    dtype=st.sampled_from(list(TOLERANCE)),
    seed=st.integers(0, 99),
)
@example(64, 100, 200, True, False, "nothing", False, "float32", 0)
@example(17, 130, 33, False, True, "result", True, "float64", 0)
def test_equals_numpy(m, n, k, ta, tb, start, relu, dtype, seed):
    a, b = factors(m, n, k, ta, tb, dtype, seed)
    rng = np.random.default_rng(seed + 1)
    added = {"nothing": None, "result": rng.standard_normal((m, n)), "row": rng.standard_normal(n)}[start]
    added = None if added is None else added.astype(dtype)
    left, right = (a.T if ta else a).astype(float), (b.T if tb else b).astype(float)
    expected = left @ right + (0 if added is None else added)
    size = np.abs(left) @ np.abs(right) + (0 if added is None else np.abs(added))
    result = product(a, b, ta, tb, added, relu)
    np.testing.assert_array_less(
        np.abs(result - (np.maximum(expected, 0) if relu else expected)), TOLERANCE[dtype] * size
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("relu", [False, True])
def test_what_is_not_finite_stays_in_its_row_and_column(dtype, relu):
    a, b = factors(20, 30, 10, False, False, dtype, 0)
    a[3, 4], b[5, 7] = np.nan, np.inf
    result = product(a, b, relu=relu)
    assert np.isnan(result[3]).all()
    finite = np.ones(result.shape, bool)
    finite[3] = finite[:, 7] = False
    assert np.isfinite(result[finite]).all()
    assert not np.isfinite(result[:, 7][a[:, 5] > 0]).any()


def test_without_wide_vectors_products_are_left_to_blas():
    """On a processor without them, as Numba is told here, a model trains as before."""
    script = (
        "import numpy as np, gpubp\n"
        "from gpubp.kernels.cpu import processor\n"
        "assert not processor.WIDE_VECTORS\n"
        "x = np.random.default_rng(0).standard_normal((64, 20), np.float32)\n"
        "model = gpubp.Sequential([gpubp.layers.Dense(30, 'relu'), gpubp.layers.Dense(20)])\n"
        "model.compile('sgd', 'mse')\n"
        "before = model.fit(x, x, verbose=0).history['loss'][0]\n"
        "assert model.fit(x, x, verbose=0).history['loss'][0] < before\n"
    )
    environment = os.environ | {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)
