"""Which kernel computes a product on the CPU."""

from dataclasses import replace
from math import prod

from gpubp.engine.executors.lower import Lowered, as_float
from gpubp.engine.fuse import Instruction
from gpubp.engine.program import Program
from gpubp.kernels.cpu.rule import suits
from gpubp.ops.registry import REGISTRY
from gpubp.ops.shapes import at

SINGLE = 1 << 24  # multiplications up to which a product by BLAS has one thread: others would take longer to wake
ONE_THREAD = 1 << 18  # multiplications up to which OpenBLAS itself takes one thread
SMALL = 128  # products of at most so many multiplications take longer to hand over than to compute
WIDE = 64  # columns from which one row is multiplied faster here than by BLAS, which packs the other matrix first


def suited(one: Lowered) -> Lowered:
    """The same; a product by the kernel that suits its extents, which are known now."""
    function = getattr(one.kernel, "function", "")
    if function not in ("gemm.gemm", "gemm.gemm_bias"):
        return one
    m, n, k, lda, ldb, _, ta, tb, _, _, count, stride_a, stride_b, _, *relu = one.options
    whole = one.operands[0][0].dtype.kind != "f"  # of integers, which BLAS does not know
    if whole or m * n * k <= SMALL:
        rows = stride_a // max(1, lda), stride_b // max(1, ldb)  # from matrix to matrix
        return _by(one, "small", (k, ta, tb, *relu) if relu else (m, k, ta, tb, count, *rows))
    if m == count == 1 and n >= WIDE and not ta and not tb:
        return _by(one, "line", (*relu,))
    return one


def _by(one: Lowered, name: str, options: tuple[int, ...]) -> Lowered:
    function = one.kernel.function.replace("gemm.gemm", f"gemm.{name}")
    return replace(one, kernel=replace(one.kernel, function=function, options=len(options)), options=options)


def by_threads(one: Lowered) -> bool:
    """Whether BLAS computes it, as `gemm.gemm` decides where products may be our own, and perhaps on several threads.

    Source: OpenBLAS, interface/gemm.c (GEMM_MULTITHREAD_THRESHOLD).
    """
    if getattr(one.kernel, "function", "") not in ("gemm.gemm", "gemm.gemm_bias"):
        return False
    m, n, k, _, ldb, _, ta, tb, *scales = one.options[:10]
    plain = [as_float(bits) for bits in scales] in ([1, 0], [1, 1])
    tiles = plain and suits(one.operands[0][0].dtype.itemsize, m, n, k, ldb, ta, tb)
    return m * n * k > ONE_THREAD and not tiles


def of(program: Program) -> list[Instruction]:
    """The matrix products of a program; of those with an epilogue the first half."""
    first = [i.halves[0] if i.halves else i for part in program.parts for i in part.code]
    return [i for i in first if i.op is REGISTRY["matmul"]]


def largest(program: Program) -> int:
    """The multiplications of the largest matrix product."""
    rows = program.layout.rows
    shapes = [(at(i.inputs[0].dims, rows), at(i.outputs[0].dims, rows), i.attrs["ta"]) for i in of(program)]
    return max((prod(c[-2:]) * a[-2 if ta else -1] for a, c, ta in shapes), default=0)
