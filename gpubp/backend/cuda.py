"""An NVIDIA GPU as a device, through CuPy. Of all files, this one alone names CuPy.

It is kept thin: what it does beyond passing calls on is written down beside it.
"""

import gc
from contextlib import contextmanager, suppress

import numpy as np

from gpubp.backend import nvrtc
from gpubp.backend.cublaslt import WORKSPACE, Products
from gpubp.backend.device import Gemm
from gpubp.backend.locks import ProcessLock

STATIC = 8 << 10  # bytes of shared memory that reductions have beside what a launch asks for
GRANTED = (48 << 10) - STATIC  # that it need not ask for
ON_CUDA = 2  # kDLCUDA, the kind of device by which DLPack knows this one


class Graph:
    """What a capture leaves."""

    captured = None


class CUDADevice:
    """One GPU. Raises ImportError where CuPy is missing, CuPy's errors where the GPU can't be used.

    Arguments:
        number: which GPU.
    """

    align = 256
    epilogues = frozenset({"bias", "relu_bias"})
    narrow = True
    branches = True

    @property
    def setting(self) -> str:
        """Its name: its speed depends on nothing that users choose."""
        return self.name

    def __init__(self, number: int = 0):
        import cupy

        self.cupy, self.number, self.name = cupy, number, f"cuda:{number}"
        self.kernels: dict = {}
        self.lock = ProcessLock()
        with cupy.cuda.Device(number) as device:
            capability, runtime = int(device.compute_capability), cupy.cuda.runtime
            self.target, self.precisions = nvrtc.target(capability), _precisions(capability)
            self.on_chip = runtime.deviceGetAttribute(runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin, number) - STATIC
            self.queues = [cupy.cuda.Stream(non_blocking=True) for _ in range(2)]
            self.queue = self.queues[0]
            self.copies = cupy.cuda.Stream(non_blocking=True)
            self.products = Products()
            self.workspaces = [cupy.cuda.alloc(WORKSPACE) for _ in self.queues]

    def alloc(self, nbytes: int):
        with self._current():
            return self.cupy.zeros(max(nbytes, 1), np.uint8)

    def adopt(self, given):
        given = given.detach() if hasattr(given, "detach") else given  # PyTorch's would know of gradients else
        if not hasattr(given, "__cuda_array_interface__"):
            if not hasattr(given, "__dlpack_device__") or tuple(given.__dlpack_device__()) != (ON_CUDA, self.number):
                return None
            given = self.cupy.from_dlpack(given)
        with self._current() as device:
            try:
                own = given if isinstance(given, self.cupy.ndarray) else self.cupy.asarray(given)
            except (TypeError, ValueError):  # a dtype that CuPy does not have
                return None
            if own.device.id != self.number or own.dtype.kind == "V":  # as which CuPy takes PyTorch's bfloat16
                return None
            device.synchronize()  # whoever made it may not be through with it; his queue is none of ours
            return own

    def upload(self, array):
        cupy = self.cupy
        if isinstance(array, cupy.ndarray):
            cupy.cuda.get_current_stream().synchronize()  # the caller's, in which it may still be computed
            with self._current():
                return cupy.ascontiguousarray(array)
        # CuPy's `asarray` goes through pinned memory, of the next power of two in bytes, which is never given back.
        with self._current():
            out = cupy.empty(array.shape, array.dtype)
            out.set(np.ascontiguousarray(array).reshape(array.shape), stream=self.queue)
            self.queue.synchronize()
            return out

    def download(self, array) -> np.ndarray:
        if isinstance(array, np.ndarray):
            return array
        with self._current():
            return self.cupy.asnumpy(array, stream=self.queue)

    def copy(self, target, source):
        with self._current():
            if isinstance(source, self.cupy.ndarray):
                target[...] = source
            else:
                host = np.broadcast_to(np.asarray(source, target.dtype), target.shape)
                target.set(np.ascontiguousarray(host).reshape(target.shape), stream=self.queue)

    def trim(self, beyond: int):
        with self._current():
            pool = self.cupy.get_default_memory_pool()
            if pool.free_bytes() > beyond:
                pool.free_all_blocks()
                self.cupy.get_default_pinned_memory_pool().free_all_blocks()

    def address(self, array) -> int:
        return array.data.ptr

    def load(self, source: str, names: list[str]) -> dict:
        with self._current():
            module = self.cupy.cuda.function.Module()
            module.load(nvrtc.compiled(source, self.target))
            return {name: module.get_function(name) for name in names}

    def launch(self, kernel, grid, block, arguments, shared=0):
        # CuPy passes arrays by their address and Python's ints as 64 bits; a null pointer is a zero of as many.
        with self._current():
            if shared > GRANTED:
                what = self.cupy.cuda.driver.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
                self.cupy.cuda.driver.funcSetAttribute(kernel.ptr, what, shared)
            kernel(grid, block, tuple(0 if x is None else x for x in arguments), shared_mem=shared, stream=self.queue)

    def takes(self, a, b, c, shape: Gemm, bias=None) -> bool:
        with self._current():
            return self.products.take(shape, c.dtype, *self._addresses(a, b, c, bias))

    def gemm(self, a, b, c, shape: Gemm, bias=None):
        k = self.queues.index(self.queue)
        with self._current():
            addresses = self._addresses(a, b, c, bias)
            self.products.run(shape, c.dtype, *addresses, self.workspaces[k].ptr, self.queue.ptr)

    def _addresses(self, a, b, c, bias) -> tuple[int, int, int, int]:
        return self.address(a), self.address(b), self.address(c), 0 if bias is None else self.address(bias)

    @contextmanager
    def branch(self):
        main, side = self.queues
        with self._current():
            side.wait_event(main.record(self._event()))
            self.queue = side
            try:
                yield
            finally:
                self.queue = main

    def join(self):
        main, side = self.queues
        with self._current():
            main.wait_event(side.record(self._event()))

    def _event(self, **options):
        return self.cupy.cuda.Event(disable_timing=True, **options)

    @contextmanager
    def capture(self):
        # CuPy's pool does not know of graphs: what it handed out in a capture would be given to others as well.
        cuda, graph = self.cupy.cuda, Graph()
        with self._current(), cuda.using_allocator(_refuse), _without_collection():
            self.queue.begin_capture(cuda.runtime.streamCaptureModeThreadLocal)
            try:
                yield graph
            except BaseException:
                with suppress(Exception):  # which would hide the one that matters
                    self.queue.end_capture()
                raise
            graph.captured = self.queue.end_capture()

    def replay(self, graph):
        with self._current():
            graph.captured.launch(stream=self.queue)

    def synchronise(self):
        with self._current():
            self.queue.synchronize()

    def pinned(self, nbytes: int) -> np.ndarray:
        with self._current():
            return np.frombuffer(self.cupy.cuda.alloc_pinned_memory(nbytes), np.uint8, nbytes)

    def send(self, target, source):
        with self._current():
            self.copies.wait_event(self.queue.record(self._event()))
            target.data.copy_from_host_async(source.ctypes.data, source.nbytes, self.copies)
            return self.copies.record(self._event(block=True))  # whose waiters sleep

    def follow(self, sent):
        with self._current():
            self.queue.wait_event(sent)

    def wait(self, sent):
        sent.synchronize()

    def free(self) -> int:
        with self._current() as device:
            return device.mem_info[0] + self.cupy.get_default_memory_pool().free_bytes()

    @contextmanager
    def _current(self):
        """For this thread alone, CuPy works on this GPU and in the queue that is filled."""
        with self.lock, self.cupy.cuda.Device(self.number) as device, self.queue:
            yield device


@contextmanager
def _without_collection():
    """Where no garbage is collected: a graph in it would be destroyed, which CUDA refuses while one is captured."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _precisions(capability: int) -> frozenset[str]:
    """What tensor cores multiply: from 7.0 on float16, from 8.0 on the others, too."""
    known = {"float32": 0, "float64": 0, "float16": 70, "bfloat16": 80, "tf32": 80}
    return frozenset(name for name, first in known.items() if capability >= first)


def count() -> int:
    """How many GPUs there are. Raises CuPy's error if no driver answers."""
    import cupy

    return cupy.cuda.runtime.getDeviceCount()


def array_module():
    """CuPy."""
    import cupy

    return cupy


def _refuse(nbytes: int):
    raise RuntimeError(f"{nbytes} bytes were to be allocated while a graph was captured, which must not happen")
