"""Products by cuBLASLt without a GPU: which matrices it is asked to multiply, and what its C library says."""

import ctypes

import numpy as np
import pytest

from gpubp.backend import cublaslt
from gpubp.backend.device import Gemm

RNG = np.random.default_rng(0)


def column_major(flat, layout, batch):
    """The matrix that cuBLASLt finds in memory."""
    return np.lib.stride_tricks.as_strided(
        flat[batch * layout.stride :], (layout.rows, layout.columns), (flat.itemsize, layout.ld * flat.itemsize)
    )


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("count", [1, 3])
def test_what_is_asked_of_it_is_the_product_of_row_major_matrices(ta, tb, count):
    m, n, k, pad = 3, 5, 4, 2
    stored = {"a": (k, m) if ta else (m, k), "b": (n, k) if tb else (k, n), "c": (m, n)}
    full = {x: RNG.standard_normal((count, rows, columns + pad)) for x, (rows, columns) in stored.items()}
    lds = {x: array.shape[2] for x, array in full.items()}
    strides = {x: array[0].size for x, array in full.items()}
    shape = Gemm(m, n, k, *(lds[x] for x in "abc"), ta, tb, 0.5, 2.0, count, *(strides[x] for x in "abc"))
    a, b, c = (full[x][:, :, :-pad] for x in "abc")
    expected = 0.5 * (a.transpose(0, 2, 1) if ta else a) @ (b.transpose(0, 2, 1) if tb else b) + 2 * c
    for batch in range(count):
        first, second, out = (
            column_major(full[x].reshape(-1), layout, batch)
            for x, layout in zip("bac", cublaslt.layouts(shape), strict=True)
        )
        out[...] = 0.5 * (first.T if tb else first) @ (second.T if ta else second) + 2.0 * out
    np.testing.assert_allclose(c, expected, rtol=1e-14)


@pytest.mark.parametrize(
    ("precision", "result", "expected"),
    [
        (None, "float32", ("float32", "float32")),
        ("tf32", "float32", ("float32", "float32")),
        (None, "float64", ("float64", "float64")),
        ("bfloat16", "uint16", ("bfloat16", "bfloat16")),
        ("bfloat16", "float32", ("bfloat16", "float32")),
        ("float16", "float16", ("float16", "float16")),
        ("float16", "float32", ("float16", "float32")),
    ],
)
def test_factors_and_result_have_the_formats_that_are_asked_for(precision, result, expected):
    """All but float64 is added up in float32; "tf32" says how factors are rounded before."""
    asked = Gemm(3, 5, 4, 4, 5, 5, precision=precision)
    assert cublaslt.formats(asked, result) == expected
    compute = cublaslt.compute_type(asked, expected[0])
    assert compute == {"float64": 70, "tf32": 77}.get(precision or result, 68)
    assert cublaslt.SCALE[compute] == (1 if result == "float64" else 0)
    assert all(name in cublaslt.TYPES for name in expected)


def test_structures_are_as_large_as_in_the_header():
    assert ctypes.sizeof(cublaslt.Algorithm) == 64
    assert ctypes.sizeof(cublaslt.Heuristic) == 64 + 8 + 4 + 4 + 16


@pytest.mark.parametrize(("address", "expected"), [(1 << 20, 256), (256, 256), (48, 16), (4, 4), (1 << 9 | 64, 64)])
def test_alignment_of_an_address(address, expected):
    assert cublaslt.alignment(address) == expected


@pytest.fixture
def library():
    """The C library, which few machines without a GPU have."""
    pytest.importorskip("cuda.pathfinder")
    try:
        return cublaslt.library()
    except RuntimeError as error:
        pytest.skip(f"cuBLASLt is not installed: {error}")


def attribute(library, descriptor, number, kind):
    """What the C library says of an attribute."""
    value, written = kind(), ctypes.c_size_t()
    get = getattr(library, f"cublasLt{descriptor.kind}GetAttribute")
    get.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    assert get(descriptor.pointer, number, ctypes.byref(value), ctypes.sizeof(value), ctypes.byref(written)) == 0
    assert written.value == ctypes.sizeof(value)
    return value.value


def test_descriptors_keep_what_they_are_given(library):
    shape = Gemm(3, 5, 4, 4, 5, 5, True, False, 1.0, 0.0, 7, 12, 20, 15, "tf32", "relu_bias")
    made = cublaslt.operation(shape, "float32", bias=1 << 20)
    assert attribute(library, made, cublaslt.DESC_TRANSA, ctypes.c_int32) == 0
    assert attribute(library, made, cublaslt.DESC_TRANSB, ctypes.c_int32) == 1
    assert attribute(library, made, cublaslt.DESC_EPILOGUE, ctypes.c_uint32) == 6
    assert attribute(library, made, cublaslt.DESC_BIAS_POINTER, ctypes.c_void_p) == 1 << 20
    for layout in cublaslt.layouts(shape):
        made = cublaslt.matrix(layout, "float64", shape.count)
        sizes = [attribute(library, made, k, kind) for k, kind in ((2, ctypes.c_uint64), (3, ctypes.c_uint64))]
        assert sizes == [layout.rows, layout.columns]
        assert attribute(library, made, 4, ctypes.c_int64) == layout.ld
        assert attribute(library, made, cublaslt.LAYOUT_BATCH_COUNT, ctypes.c_int32) == 7
        assert attribute(library, made, cublaslt.LAYOUT_BATCH_STRIDE, ctypes.c_int64) == layout.stride
    made = cublaslt.preference((16, 32, 256), rounded=True)
    assert attribute(library, made, cublaslt.PREFERENCE_REDUCTIONS, ctypes.c_uint32) == cublaslt.IN_COMPUTE_TYPE
    assert attribute(library, made, cublaslt.PREFERENCE_WORKSPACE, ctypes.c_size_t) == cublaslt.WORKSPACE
    found = [attribute(library, made, k, ctypes.c_uint32) for k in cublaslt.PREFERENCE_ALIGNMENTS]
    assert found == [16, 32, 256, 256]
