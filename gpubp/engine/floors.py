"""What the machine can do: the seconds of a matrix product alone, the rate of memory. No instruction is faster.

Both are measured when they are first asked for, by programs of one instruction on the current device, with the threads
that BLAS then has, and are known until the process ends.
"""

from functools import cache

import numpy as np

from gpubp.backend import current_device
from gpubp.engine.executors import executor_class
from gpubp.engine.plan import DATA, Layout, Operand, plan
from gpubp.engine.program import Program
from gpubp.engine.timing import shortest
from gpubp.engine.trace import Graph, Symbol
from gpubp.ops.linalg import gemm
from gpubp.ops.shapes import at

LARGEST_PRODUCT = 2**29  # multiplications: of a larger product a part is measured, since its rate grows no more
LARGE = 512  # rows and columns of the product by which `gemm_rate` is told
BUDGET = 0.03  # seconds of measuring each
SMALLEST_COPY, LARGEST_COPY = 2**13, 2**25  # bytes: below a call costs more than the copy, above none is faster


def gemm_seconds(m: int, n: int, k: int, dtype="float32", ta: bool = False, tb: bool = False, precision=None) -> float:
    """The time of the product (m, k) @ (k, n) alone, its operands in cache as far as they fit.

    Arguments:
        m, n, k: rows and columns of the result, and the dimension that is summed over.
        dtype: "float32" or "float64". Default "float32".
        ta, tb: whether an operand is stored as its transpose. Default False.
        precision: what the device may round the factors to, such as "tf32". Default None, to nothing.
    """
    whole = m * n * k
    while m * n * k > LARGEST_PRODUCT:
        m, n, k = (-(-d // 2) if d == max(m, n, k) else d for d in (m, n, k))
    share = whole / (m * n * k)
    return share * _gemm_seconds(m, n, k, np.dtype(dtype).name, ta, tb, precision, current_device().setting)


def gemm_rate(dtype="float32") -> float:
    """Floating-point operations a second of a large matrix product."""
    return 2 * LARGE**3 / gemm_seconds(LARGE, LARGE, LARGE, dtype)


def copy_rate(nbytes: int = LARGEST_COPY) -> float:
    """Bytes a second, read and written, over so much memory; less of it stays in faster caches.

    Of a copy in place, as x = -x: nothing is fetched only to be overwritten.
    """
    held = 2 ** int(np.log2(max(nbytes, 1)))  # rather less than more: a floor errs downwards
    held = min(max(held, SMALLEST_COPY), LARGEST_COPY)
    return 2 * held / _copy_seconds(held, current_device().setting)


@cache
def _gemm_seconds(m, n, k, dtype, ta, tb, precision, setting) -> float:
    layout = _layout(current_device().precisions)
    a, b = layout.add(DATA, (k, m) if ta else (m, k), dtype), layout.add(DATA, (n, k) if tb else (k, n), dtype)
    graph = Graph()
    product = gemm(graph.input(a), graph.input(b), ta=ta, tb=tb, precision=precision)
    return _alone(layout, layout.add(DATA, (m, n), dtype), product)


@cache
def _copy_seconds(nbytes, setting) -> float:
    layout = _layout()
    x = layout.add(DATA, (nbytes // 4,), "float32")
    return _alone(layout, x, -Graph().input(x))


def _layout(precisions=frozenset()) -> Layout:
    return Layout(rows=1, align=current_device().align, precisions=precisions)


def _alone(layout: Layout, target: Operand, value: Symbol) -> float:
    """The time of the last instruction of a program, on random numbers; those before it convert its operands."""
    program = Program([plan("floor", [(target, value)], layout)], layout)
    device = current_device()
    executor = executor_class("auto", device)(program, device)
    rng = np.random.default_rng(0)
    for place in {place for place in program.parts[0].places.values() if not place.half}:
        executor.memory.write(place, rng.standard_normal(at(place.shape, 1), place.dtype))
    executor.run(1, 1)
    n = len(program.parts[0].code)
    return shortest(executor, 1, range(n - 1, n), budget=BUDGET)
