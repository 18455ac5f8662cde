"""What a GPU can do at most, for other figures to be seen beside: copies, products, kernels in a graph.

Prints a line of JSON: bytes a second, read and written; floating-point operations a second; seconds of a kernel that
does nothing, in a graph of many that wait for each other.
"""

import json
import time
from functools import partial

import numpy as np

import gpubp
from gpubp.backend import current_device
from gpubp.backend.device import Gemm
from gpubp.kernels.cuda import source

TIMES, ROUNDS = 10, 5
NODES = 500
IDLE = 'extern "C" __global__ void __launch_bounds__(32, 1) idle(i64 n) {}'


def ceilings(side: int = 8192) -> dict[str, float]:
    """Of square matrices with so many rows, and of copies of four of them."""
    gpubp.set_device("cuda")
    device = current_device()
    numbers = np.random.default_rng(0).standard_normal((side, side), np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype(np.uint16)  # bfloat16, cut off: zeros would be faster
    products = {"float32": numbers, "tf32": numbers, "bfloat16": halves}
    flops = {f"{name} product": 2 * side**3 / _product(device, name, x) for name, x in products.items()}
    return {"copy": _copied(device, 16 * side * side), **flops, "kernel": _kernel(device)}


def _copied(device, nbytes: int) -> float:
    source, target = device.alloc(nbytes), device.alloc(nbytes)
    return 2 * nbytes / _fastest(device, partial(device.copy, target, source))


def _product(device, precision: str, x: np.ndarray) -> float:
    n = len(x)
    a, c = device.upload(x), device.upload(np.zeros_like(x))
    return _fastest(device, partial(device.gemm, a, a, c, Gemm(n, n, n, n, n, n, precision=precision)))


def _kernel(device) -> float:
    idle = device.load(source.compose([], [IDLE]), ["idle"])["idle"]
    launch = partial(device.launch, idle, (1, 1, 1), (32, 1, 1), [1])
    launch()
    with device.capture() as graph:
        for _ in range(NODES):
            launch()
    return _fastest(device, partial(device.replay, graph)) / NODES


def _fastest(device, work) -> float:
    """The mean of some times, the least of some rounds of them."""
    rounds = []
    for _ in range(ROUNDS + 1):  # of which the first may be what compiles and loads
        device.synchronise()
        start = time.perf_counter()
        for _ in range(TIMES):
            work()
        device.synchronise()
        rounds.append((time.perf_counter() - start) / TIMES)
    return min(rounds)


if __name__ == "__main__":
    print(json.dumps(ceilings()))
