"""Matrix products by cuBLASLt, through ctypes: CuPy refuses its own while a stream is captured.

cuBLASLt counts columns first. A row-major matrix is, read so, its transpose: what is asked for as C = op(A) op(B) is
computed as C' = op(B)' op(A)', with both operands as they lie in memory.

Source: cuBLAS documentation, "Using the cuBLASLt API"; values as in cublasLt.h, cublas_api.h, library_types.h.
"""

import ctypes
from ctypes import (
    POINTER,
    byref,
    c_char_p,
    c_double,
    c_float,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_uint64,
    c_void_p,
)
from dataclasses import dataclass
from functools import cache

import numpy as np

from gpubp.backend.device import Gemm

WORKSPACE = 32 << 20  # bytes for each queue; what NVIDIA recommends for its newest devices

# cudaDataType_t and cublasComputeType_t. "tf32" rounds what float32 products multiply to ten bits of fraction.
TYPES = {"float32": 0, "float64": 1, "float16": 2, "bfloat16": 14}
HALVES = ("bfloat16", "float16")
COMPUTE = {"float32": 68, "float64": 70, "float16": 68, "bfloat16": 68, "tf32": 77}
SCALE = {68: 0, 70: 1, 77: 0}  # the type of alpha and beta, by that in which is computed
TRANSPOSED = {False: 0, True: 1}  # cublasOperation_t
# cublasLtEpilogue_t: what is done to the product before it is stored.
EPILOGUES = {None: 1, "bias": 4, "relu_bias": 6}

DESC_TRANSA, DESC_TRANSB, DESC_EPILOGUE, DESC_BIAS_POINTER = 3, 4, 7, 8
LAYOUT_BATCH_COUNT, LAYOUT_BATCH_STRIDE = 5, 6
PREFERENCE_WORKSPACE, PREFERENCE_REDUCTIONS, PREFERENCE_ALIGNMENTS = 1, 3, (5, 6, 7, 8)
IN_COMPUTE_TYPE = 2  # cublasLtReductionScheme_t: shares of a sum are added up before the result is rounded
LARGEST_ALIGNMENT = 256


class Algorithm(ctypes.Structure):
    """cublasLtMatmulAlgo_t."""

    _fields_ = (("data", c_uint64 * 8),)


class Heuristic(ctypes.Structure):
    """cublasLtMatmulHeuristicResult_t."""

    _fields_ = (
        ("algorithm", Algorithm),
        ("workspace", c_size_t),
        ("state", c_int),
        ("waves", c_float),
        ("reserved", c_int * 4),
    )


# Of each function, what it takes; all return cublasStatus_t.
SIGNATURES = {
    "cublasLtCreate": [POINTER(c_void_p)],
    "cublasLtMatmulDescCreate": [POINTER(c_void_p), c_int, c_int],
    "cublasLtMatmulDescSetAttribute": [c_void_p, c_int, c_void_p, c_size_t],
    "cublasLtMatmulDescDestroy": [c_void_p],
    "cublasLtMatrixLayoutCreate": [POINTER(c_void_p), c_int, c_uint64, c_uint64, c_int64],
    "cublasLtMatrixLayoutSetAttribute": [c_void_p, c_int, c_void_p, c_size_t],
    "cublasLtMatrixLayoutDestroy": [c_void_p],
    "cublasLtMatmulPreferenceCreate": [POINTER(c_void_p)],
    "cublasLtMatmulPreferenceSetAttribute": [c_void_p, c_int, c_void_p, c_size_t],
    "cublasLtMatmulPreferenceDestroy": [c_void_p],
    "cublasLtMatmulAlgoGetHeuristic": [c_void_p] * 7 + [c_int, POINTER(Heuristic), POINTER(c_int)],
    "cublasLtMatmul": [c_void_p] * 12 + [POINTER(Algorithm), c_void_p, c_size_t, c_void_p],
}


class ProductError(RuntimeError):
    """cuBLASLt refuses a product."""


@cache
def library() -> ctypes.CDLL:
    """cuBLASLt, wherever CUDA's wheels or a toolkit put it. Raises ImportError or RuntimeError if it is nowhere."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    loaded = ctypes.CDLL(load_nvidia_dynamic_lib("cublasLt").abs_path)
    for name, arguments in SIGNATURES.items():
        getattr(loaded, name).argtypes = arguments
    loaded.cublasLtGetStatusString.argtypes = [c_int]
    loaded.cublasLtGetStatusString.restype = c_char_p
    return loaded


def _call(name: str, *arguments):
    status = getattr(library(), name)(*arguments)
    if status:
        raise ProductError(f"{name}: {library().cublasLtGetStatusString(status).decode()}")


@dataclass(frozen=True)
class Layout:
    """A matrix as cuBLASLt sees it: column by column, `ld` elements apart."""

    rows: int
    columns: int
    ld: int
    stride: int


def layouts(shape: Gemm) -> tuple[Layout, Layout, Layout]:
    """Of cuBLASLt's first operand, which is B, of its second, which is A, and of the result."""
    s = shape
    first = Layout(s.k if s.tb else s.n, s.n if s.tb else s.k, s.ldb, s.stride_b)
    second = Layout(s.m if s.ta else s.k, s.k if s.ta else s.m, s.lda, s.stride_a)
    return first, second, Layout(s.n, s.m, s.ldc, s.stride_c)


class Descriptor:
    """What the C functions call a descriptor: made with values, given attributes, destroyed with the object."""

    def __init__(self, kind: str, *values):
        self.kind, self.pointer = kind, c_void_p()
        _call(f"cublasLt{kind}Create", byref(self.pointer), *values)

    def set(self, attribute: int, value):
        """Sets an attribute to a value of ctypes."""
        _call(f"cublasLt{self.kind}SetAttribute", self.pointer, attribute, byref(value), ctypes.sizeof(value))

    def __del__(self):
        if self.pointer:
            getattr(library(), f"cublasLt{self.kind}Destroy")(self.pointer)


def formats(shape: Gemm, dtype: str) -> tuple[str, str]:
    """Of the factors and of the result of a product, whose result NumPy knows as `dtype`."""
    if shape.precision not in HALVES:
        return dtype, dtype
    return shape.precision, "float32" if dtype == "float32" else shape.precision


def compute_type(shape: Gemm, dtype: str) -> int:
    """In what a product is computed whose factors are of a format: of float32, as precisely as is asked for."""
    return COMPUTE["tf32" if dtype == "float32" and shape.precision == "tf32" else dtype]


def operation(shape: Gemm, dtype: str, bias: int = 0) -> Descriptor:
    """The descriptor of a product of such factors; `bias` is the address of n elements, which each row gets added."""
    compute = compute_type(shape, dtype)
    found = Descriptor("MatmulDesc", compute, SCALE[compute])
    found.set(DESC_TRANSA, c_int32(TRANSPOSED[shape.tb]))
    found.set(DESC_TRANSB, c_int32(TRANSPOSED[shape.ta]))
    found.set(DESC_EPILOGUE, c_uint32(EPILOGUES[shape.epilogue]))
    if bias:
        found.set(DESC_BIAS_POINTER, c_void_p(bias))
    return found


def matrix(layout: Layout, dtype: str, count: int) -> Descriptor:
    """The descriptor of a matrix, or of `count` of them at a stride."""
    found = Descriptor("MatrixLayout", TYPES[dtype], layout.rows, layout.columns, layout.ld)
    if count > 1:
        found.set(LAYOUT_BATCH_COUNT, c_int32(count))
        found.set(LAYOUT_BATCH_STRIDE, c_int64(layout.stride))
    return found


def preference(alignments: tuple[int, int, int], rounded: bool) -> Descriptor:
    """What algorithms may take: our workspace, addresses that are aligned so (of B, A and C), and no sums of what is
    `rounded` already."""
    found = Descriptor("MatmulPreference")
    found.set(PREFERENCE_WORKSPACE, c_size_t(WORKSPACE))
    if rounded:
        found.set(PREFERENCE_REDUCTIONS, c_uint32(IN_COMPUTE_TYPE))
    for attribute, alignment in zip(PREFERENCE_ALIGNMENTS, (*alignments, alignments[-1]), strict=True):
        found.set(attribute, c_uint32(alignment))
    return found


def alignment(address: int) -> int:
    """The largest power of two that divides an address, as far as cuBLASLt asks."""
    return min(address & -address, LARGEST_ALIGNMENT)


class Product:
    """A product of matrices with the algorithm that cuBLASLt has chosen for it. Raises ProductError if it has none."""

    def __init__(self, handle, shape: Gemm, dtype: str, alignments, bias: int = 0):
        factors, result = formats(shape, dtype)
        self.operation = operation(shape, factors, bias)
        of = (factors, factors, result)
        self.matrices = [matrix(x, form, shape.count) for x, form in zip(layouts(shape), of, strict=True)]
        number = c_double if dtype == "float64" else c_float
        self.alpha, self.beta = number(shape.alpha), number(shape.beta)
        self.algorithm = self._chosen(handle, preference(alignments, result in HALVES))

    def _chosen(self, handle, wanted: Descriptor) -> Algorithm:
        first, second, out = (m.pointer for m in self.matrices)
        found, count = Heuristic(), c_int()
        _call(
            "cublasLtMatmulAlgoGetHeuristic",
            handle,
            self.operation.pointer,
            first,
            second,
            out,
            out,
            wanted.pointer,
            1,
            byref(found),
            byref(count),
        )
        if not count.value or found.state:
            raise ProductError("cuBLASLt has no algorithm for this product")
        return found.algorithm

    def run(self, handle, a: int, b: int, c: int, workspace: int, stream: int):
        """Queues the product of what lies at these addresses."""
        first, second, out = (m.pointer for m in self.matrices)
        _call(
            "cublasLtMatmul",
            handle,
            self.operation.pointer,
            byref(self.alpha),
            b,
            first,
            a,
            second,
            byref(self.beta),
            c,
            out,
            c,
            out,
            byref(self.algorithm),
            workspace,
            WORKSPACE,
            stream,
        )


class Products:
    """cuBLASLt on one device, with the products that it has been asked for."""

    def __init__(self):
        self.handle = c_void_p()
        _call("cublasLtCreate", byref(self.handle))
        self.known: dict = {}

    def take(self, shape: Gemm, dtype: np.dtype, a: int, b: int, c: int, bias: int) -> bool:
        """Whether cuBLASLt has an algorithm for a product of what lies at these addresses."""
        try:
            self._found(shape, dtype, a, b, c, bias)
        except ProductError:
            return False
        return True

    def run(self, shape: Gemm, dtype: np.dtype, a: int, b: int, c: int, bias: int, workspace: int, stream: int):
        """Queues a product. Raises ProductError if cuBLASLt does not take it."""
        self._found(shape, dtype, a, b, c, bias).run(self.handle, a, b, c, workspace, stream)

    def _found(self, shape, dtype, a, b, c, bias) -> Product:
        alignments = alignment(b), alignment(a), alignment(c)
        key = shape, dtype.name, alignments, bias
        if key not in self.known:
            self.known[key] = Product(self.handle, shape, dtype.name, alignments, bias)
        return self.known[key]
