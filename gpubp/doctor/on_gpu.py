"""What training stands on where there is a GPU, one thing after the other: who fails first is to blame."""

import faulthandler
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

PATIENCE = 120  # seconds for all: on a busy machine that has read none of the libraries yet
SIDE = 64  # rows and columns of the matrices that are multiplied
KERNEL = """
typedef long long i64;
extern "C" __global__ void __launch_bounds__(256, 1) one_more(float* x, i64 n) {
  for (i64 i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) x[i] += 1;
}
"""


def trials() -> Iterator[dict[str, Any]]:
    """Of each trial its name, whether it works, what it says, its seconds.

    They are made in a process of their own: an error can leave the GPU unusable for the process, or end it. After the
    one in which it ended no more are made, nor where there is no device to make them on.
    """
    command = [sys.executable, "-c", f"from {__name__} import tell; tell()"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        left = list(TRIALS)
        for line in process.stdout:
            yield json.loads(line)
            left.pop(0)
    if process.returncode:
        message = f"its process ended with {process.returncode}; standard error may say where"
        yield {"name": left[0], "works": False, "message": message, "seconds": None}


def made() -> Iterator[dict[str, Any]]:
    """As of `trials`, in this process."""
    for name, trial in TRIALS.items():
        start = time.perf_counter()
        try:
            works, message = True, trial()
        except Exception as error:  # of CuPy, the loader, the driver: each has exceptions of its own
            works, message = False, f"{type(error).__name__}: {error}"
        yield {"name": name, "works": works, "message": message, "seconds": time.perf_counter() - start}
        if name == "device" and not works:
            return


def tell():
    """Prints a line of JSON for each; ends the process, and says where it stood, if they take too long."""
    faulthandler.enable()
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    for found in made():
        print(json.dumps(found), flush=True)
    faulthandler.cancel_dump_traceback_later()


def driver() -> str:
    from gpubp.backend.cuda import count

    return f"CuPy sees {count()} GPUs"


def compiler() -> str:
    from gpubp.backend import nvrtc

    return f"NVRTC {'.'.join(map(str, nvrtc.version()))} for capabilities up to {max(nvrtc.architectures()) / 10}"


def library() -> str:
    from gpubp.backend import cublaslt

    return f"cuBLASLt {cublaslt.library().cublasLtGetVersion()}"


def device() -> str:
    found = _device()
    return f"{found.name}, {found.on_chip >> 10} KB of shared memory, {', '.join(sorted(found.precisions))}"


def memory() -> str:
    x = _numbers()
    _check(_device().download(_device().upload(x)), x)
    return "what was sent comes back"


def kernel() -> str:
    x = _device().upload(_numbers())
    _one_more(x)()
    _check(_device().download(x), _numbers() + 1)
    return "compiled, loaded and run"


def product() -> str:
    return _products("float32")


def half_product() -> str:
    return _products("bfloat16")


def graph() -> str:
    """Nothing is done while it is captured, all of it by each replay."""
    x = _device().upload(_numbers())
    once = _one_more(x)
    once()
    with _device().capture() as captured:
        once()
        once()
    _device().replay(captured)
    _device().replay(captured)
    _check(_device().download(x), _numbers() + 5)
    return "captured and replayed twice"


def product_in_graph() -> str:
    ones, c = _matrix(1), _matrix(0)
    multiply = _multiplying(ones, ones, c)
    multiply()
    _device().copy(c, 0)
    with _device().capture() as captured:
        multiply()
    _device().replay(captured)
    _check(_device().download(c), np.full((SIDE, SIDE), SIDE, np.float32))
    return "captured and replayed"


def two_queues() -> str:
    """Two products beside each other, and a third that waits for both."""
    ones, b, c, d = _matrix(1), _matrix(0), _matrix(0), _matrix(0)
    first, second, last = _multiplying(ones, ones, b), _multiplying(ones, ones, c), _multiplying(b, c, d)
    for work in (first, second, last):
        work()
    for matrix in (b, c, d):
        _device().copy(matrix, 0)
    with _device().capture() as captured:
        with _device().branch():
            first()
        second()
        _device().join()
        last()
    _device().replay(captured)
    _check(_device().download(d), np.full((SIDE, SIDE), SIDE**3, np.float32))
    return "one graph, in which the first waits for the second"


def pinned_copy() -> str:
    found, x = _device(), _numbers()
    source, target = found.pinned(x.nbytes), found.alloc(x.nbytes)
    source[:] = x.view(np.uint8)
    sent = found.send(target, source)
    found.follow(sent)
    found.wait(sent)
    _check(found.download(target), x.view(np.uint8))
    return "sent beside the queue"


def training() -> str:
    import gpubp
    from gpubp.doctor.training import trial

    with gpubp.device("cuda"):
        found = trial()
    if not found["works"]:
        raise RuntimeError(found["message"])
    return found["message"]


TRIALS: dict[str, Callable[[], str]] = {
    "driver": driver,
    "compiler": compiler,
    "library": library,
    "device": device,
    "memory": memory,
    "kernel": kernel,
    "product": product,
    "half product": half_product,
    "graph": graph,
    "product in graph": product_in_graph,
    "two queues": two_queues,
    "pinned copy": pinned_copy,
    "training": training,
}


def _device():
    import gpubp

    with gpubp.device("cuda"):
        return gpubp.backend.current_device()


def _numbers() -> np.ndarray:
    return np.arange(1000, dtype=np.float32)


def _matrix(value: float):
    return _device().upload(np.full((SIDE, SIDE), value, np.float32))


def _one_more(x) -> Callable[[], None]:
    """What queues a kernel that adds one to each element."""
    found = _device()
    loaded = found.load(KERNEL, ["one_more"])["one_more"]
    return lambda: found.launch(loaded, (2, 1, 1), (256, 1, 1), [x, x.size])


def _multiplying(a, b, c, precision=None) -> Callable[[], None]:
    """What queues the product of two square matrices."""
    from gpubp.backend.device import Gemm

    return lambda: _device().gemm(a, b, c, Gemm(SIDE, SIDE, SIDE, SIDE, SIDE, SIDE, precision=precision))


def _products(precision: str) -> str:
    """Of ones, in float32 or in bfloat16, whose one is 0x3F80."""
    found = _device()
    if precision not in found.precisions:
        return f"this GPU does not multiply {precision}"
    ones = _matrix(1) if precision == "float32" else found.upload(np.full((SIDE, SIDE), 0x3F80, np.uint16))
    c = _matrix(0)
    _multiplying(ones, ones, c, precision)()
    _check(found.download(c), np.full((SIDE, SIDE), SIDE, np.float32))
    return f"of {precision}"


def _check(found: np.ndarray, expected: np.ndarray):
    if not np.array_equal(found, expected):
        wrong = np.flatnonzero(found.ravel() != expected.ravel())
        k = int(wrong[0])
        raise ArithmeticError(
            f"{wrong.size} of {expected.size} numbers are wrong, the first at {k}: "
            f"{found.ravel()[k]}, not {expected.ravel()[k]}"
        )
