"""A GPU without one: the interface of accelerators on NumPy arrays, with the real kernels, run by g++.

It refuses what CUDA or CuPy would refuse, and what they would not refuse but get wrong, and it keeps a record of all
that it was asked for.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial, wraps
from itertools import count
from threading import RLock
from weakref import finalize

import ml_dtypes
import numpy as np

from gpubp.backend.device import Gemm

from . import build
from .build import EmulationError


@dataclass(frozen=True)
class Half:
    """A format of two bytes: what NumPy keeps it in, and the dtype that knows what these bytes mean."""

    kept: np.dtype
    dtype: np.dtype

    @property
    def known(self):
        """Dtypes of factors and result that are multiplied by the name of the format."""
        return {(self.kept, self.kept), (self.kept, np.dtype(np.float32))}

    def wide(self, x):
        """As float32."""
        return x.view(self.dtype).astype(np.float32) if x is not None and x.dtype == self.kept else x

    def like(self, out, x):
        """float32 numbers as an array is kept."""
        return x if out.dtype == np.float32 else x.astype(self.dtype).view(self.kept)


GRANTED = 48 << 10  # bytes of shared memory that every device has for a block
HALVES = {
    "bfloat16": Half(np.dtype(np.uint16), np.dtype(ml_dtypes.bfloat16)),
    "float16": Half(np.dtype(np.float16), np.dtype(np.float16)),
}


class Array:
    """An array of the device: it can be cut, viewed and reshaped, and the host sees nothing of its content."""

    def __init__(self, host: np.ndarray):
        self.host = host

    shape = property(lambda self: self.host.shape)
    dtype = property(lambda self: self.host.dtype)
    nbytes = property(lambda self: self.host.nbytes)
    size = property(lambda self: self.host.size)
    ndim = property(lambda self: self.host.ndim)

    def __len__(self):
        return len(self.host)

    def __getitem__(self, where):
        if not isinstance(where, slice):
            raise EmulationError("only slices of an array of the device can be taken without a transfer")
        return Array(self.host[where])

    def view(self, dtype):
        return Array(self.host.view(dtype))

    def reshape(self, *shape):
        found = self.host.reshape(*shape)
        assert found.size == 0 or np.shares_memory(found, self.host)
        return Array(found)

    def astype(self, dtype):
        return Array(self.host.astype(dtype))

    def get(self) -> np.ndarray:
        return self.host.copy()

    @property
    def __cuda_array_interface__(self):
        interface = self.host.__array_interface__
        return {key: interface[key] for key in ("shape", "typestr", "data", "strides")} | {"version": 3}

    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    __bool__ = __float__ = __int__ = __iter__ = __index__ = __setitem__ = __array__


class Pinned(np.ndarray):
    """Memory of the host that the device reads by itself."""


def one_at_a_time(method):
    """The method for one thread at a time: others wait for the end of a capture or a branch."""

    @wraps(method)
    def alone(self, *args, **kwargs):
        with self.lock:
            return method(self, *args, **kwargs)

    return alone


class EmulatedDevice:
    """An accelerator. What is put into the second queue is done as late as can be: when the first one waits for it.

    What is sent from pinned memory is copied as late as can be, too, or as early: see `prompt`.

    Arguments:
        order: in which order blocks, and the threads of each, take turns: 0 forwards, 1 backwards, others shuffled.
        mode: how kernels are built: "plain", "asan" or "tsan".
        capacity: bytes of memory.
        narrow: whether narrow networks are planned as one kernel. Default False: what others look at is there.
        prompt: whether what is sent is there at once. Default False: it is once the host waits for it, or works on what
            the first queue holds after it has been told to.
    """

    align = 256
    epilogues = frozenset({"bias", "relu_bias"})
    branches = True
    precisions = frozenset({"float32", "float64", "tf32", *HALVES})
    on_chip = 224 << 10  # bytes of shared memory that a block may ask for
    numbers = count()

    def __init__(
        self,
        order: int = 0,
        mode: str = "plain",
        capacity: int = 1 << 30,
        prompt: bool = False,
        narrow: bool = False,
    ):
        self.name = self.setting = f"cuda:{next(self.numbers)}"
        self.order, self.mode, self.left = order, mode, capacity
        self.narrow = narrow
        self.kernels: dict[str, build.Kernel] = {}
        self.record: list[tuple] = []
        self.refuses: Callable[[Gemm], bool] = lambda shape: False  # of products, those that its library does not take
        self.captured: list | None = None
        self.branched = False  # whether the second queue holds what the first has not waited for
        self.queue = 0
        self.late: list = []  # of the second queue
        self.prompt, self.sent, self.followed = prompt, 0, 0
        self.on_its_way: list[tuple[int, Callable]] = []  # copies from pinned memory, by their number
        self.lock = RLock()

    @one_at_a_time
    def alloc(self, nbytes: int) -> Array:
        self._refuse_in_capture("allocate")
        nbytes = max(nbytes, 1)
        if nbytes > self.left:
            raise MemoryError(f"{nbytes} bytes of the {self.left} that are left")
        self.left -= nbytes
        self.record.append(("alloc", nbytes))
        watched = self.mode == "asan"  # what lies past the end: no more than was asked for, then
        raw = np.zeros(nbytes if watched else nbytes + self.align, np.uint8)
        finalize(raw, self._take_back, nbytes)
        if watched:
            return Array(raw)
        start = -raw.ctypes.data % self.align
        return Array(raw[start : start + nbytes])

    def _take_back(self, nbytes: int):
        self.left += nbytes

    def adopt(self, array):
        return array if isinstance(array, Array) else None

    @one_at_a_time
    def upload(self, array) -> Array:
        if isinstance(array, Array):
            return array if array.host.flags.c_contiguous else Array(np.ascontiguousarray(array.host))
        self._refuse_in_capture("copy from the host")
        array = np.ascontiguousarray(array)
        out = self.alloc(array.nbytes)
        self.record.append(("upload", array.nbytes))
        out = Array(out.host[: array.nbytes].view(array.dtype).reshape(array.shape))
        out.host[...] = array
        return out

    @one_at_a_time
    def download(self, array) -> np.ndarray:
        if isinstance(array, np.ndarray):
            return array
        self.synchronise()
        self.record.append(("download", array.nbytes))
        return array.host.copy()

    @one_at_a_time
    def copy(self, target: Array, source):
        if not isinstance(target, Array):
            raise EmulationError("the target of a copy is not on the device")
        if isinstance(source, Array):
            if (source.shape, source.dtype) != (target.shape, target.dtype):
                raise EmulationError("a copy on the device keeps shape and dtype")
            self._put(partial(np.copyto, target.host, source.host.copy()))
        else:
            self._refuse_in_capture("copy from the host")
            target.host[...] = source
        self.record.append(("copy", target.nbytes))

    @one_at_a_time
    def trim(self, beyond: int):
        self._refuse_in_capture("give memory back")
        self.record.append(("trim", beyond))

    def address(self, array: Array) -> int:
        return array.host.ctypes.data

    @one_at_a_time
    def load(self, source: str, names: list[str]) -> dict[str, build.Kernel]:
        self._refuse_in_capture("load kernels")
        found = build.load(source, self.mode)
        self.record.append(("load", len(names)))
        return {name: found[name] for name in names}

    @one_at_a_time
    def launch(self, kernel: build.Kernel, grid, block, arguments, shared=0):
        if len(arguments) != len(kernel.parameters):
            raise EmulationError(f"{kernel.name} takes {len(kernel.parameters)} arguments and gets {len(arguments)}")
        if not (0 < np.prod(block) <= 1024 and grid[0] < 2**31 and max(grid[1:]) < 2**16 and min(grid) > 0):
            raise EmulationError(f"{kernel.name}: no device takes grid {grid} with blocks {block}")
        if shared > max(self.on_chip, GRANTED):
            raise EmulationError(f"{kernel.name}: no block has {shared} bytes of shared memory")
        values = [self._word(kernel, k, x) for k, x in enumerate(arguments)]
        self.record.append(("launch", kernel.name))
        run = partial(kernel.launch, grid, block, values, shared, self.order)
        if self.mode == "asan":
            run = partial(_on_copies, kernel, grid, block, arguments, values, shared, self.order)
        self._put(run)

    def _word(self, kernel, k, x) -> int:
        """An argument as 64 bits, if it fits the parameter."""
        dtype, pointer = kernel.parameters[k]
        if not pointer:
            if dtype != "int64" or not isinstance(x, int | np.integer):
                raise EmulationError(f"{kernel.name}: argument {k} is {x!r}, its parameter is {dtype}")
            return int(x)
        if x is None:
            return 0
        if not isinstance(x, Array) or x.dtype != dtype or not x.host.flags.c_contiguous:
            raise EmulationError(f"{kernel.name}: argument {k} is no array of {dtype} of the device: {x!r}")
        address = self.address(x)
        if address % x.dtype.itemsize:
            raise EmulationError(f"{kernel.name}: argument {k} is not aligned")
        return address

    def takes(self, a: Array, b: Array, c: Array, shape: Gemm, bias: Array | None = None) -> bool:
        return not self.refuses(shape)

    @one_at_a_time
    def gemm(self, a: Array, b: Array, c: Array, shape: Gemm, bias: Array | None = None):
        s = shape
        if self.refuses(s):
            raise EmulationError("the library does not take this product")
        if (bias is None) != (s.epilogue is None) or (bias is not None and (bias.dtype, bias.size) != (c.dtype, s.n)):
            raise EmulationError(f"the bias of {s.n} columns of {c.dtype} is {bias}")
        half = HALVES.get(s.precision)
        known = {(np.dtype(np.float32),) * 2, (np.dtype(np.float64),) * 2} if half is None else half.known
        if a.dtype != b.dtype or (a.dtype, c.dtype) not in known:
            raise EmulationError(f"no product of {a.dtype} and {b.dtype} into {c.dtype} by {s.precision}")
        self.record.append(("gemm", s.m, s.n, s.k, s.epilogue))

        def compute():
            for i in range(s.count):
                left = _matrix(a, s.lda, (s.k, s.m) if s.ta else (s.m, s.k), i * s.stride_a)
                right = _matrix(b, s.ldb, (s.n, s.k) if s.tb else (s.k, s.n), i * s.stride_b)
                out = _matrix(c, s.ldc, (s.m, s.n), i * s.stride_c)
                if s.precision == "tf32" and out.dtype == np.float32:
                    left, right = rounded(left), rounded(right)
                added = None if bias is None else bias.host
                if half:
                    left, right, added = map(half.wide, (left, right, added))
                with np.errstate(all="ignore"):
                    product = s.alpha * ((left.T if s.ta else left) @ (right.T if s.tb else right))
                    product = product + s.beta * (half.wide(out) if half else out) if s.beta else product
                    product = product if bias is None else product + added.reshape(-1)
                    product = np.maximum(product, 0) if s.epilogue == "relu_bias" else product
                    out[...] = half.like(out, product) if half else product

        self._put(compute)

    @contextmanager
    def branch(self):
        with self.lock:
            self.queue, self.branched = 1, True
            self.record.append(("branch",))
            try:
                yield
            finally:
                self.queue = 0

    @one_at_a_time
    def join(self):
        self.branched = False
        self.record.append(("join",))
        self._put(self._catch_up)

    def _catch_up(self):
        late, self.late = self.late, []
        for work in late:
            work()

    @contextmanager
    def capture(self):
        with self.lock:
            self._refuse_in_capture("capture")
            self.captured = graph = []
            self.record.append(("capture",))
            try:
                yield graph
                if self.branched:
                    raise EmulationError("a graph must end in one queue: the second was not joined")
            finally:
                self.captured = None
                self.record.append(("captured", len(graph)))

    @one_at_a_time
    def replay(self, graph):
        self.record.append(("replay", len(graph)))
        self._arrive(self.followed)
        for work in graph:
            work()

    @one_at_a_time
    def synchronise(self):
        self._refuse_in_capture("wait for the device")
        self._arrive(self.followed)
        self._catch_up()
        self.record.append(("synchronise",))

    @one_at_a_time
    def pinned(self, nbytes: int) -> np.ndarray:
        self._refuse_in_capture("allocate")
        self.record.append(("pinned", nbytes))
        return np.zeros(nbytes, np.uint8).view(Pinned)

    @one_at_a_time
    def send(self, target: Array, source) -> int:
        self._refuse_in_capture("copy from the host")
        if not isinstance(source, Pinned) or not isinstance(target, Array):
            raise EmulationError("what is sent goes from pinned memory to the device")
        self.sent += 1
        self.record.append(("send", self.sent))
        self.on_its_way.append((self.sent, partial(np.copyto, target.host, source)))
        if self.prompt:
            self._arrive(self.sent)
        return self.sent

    @one_at_a_time
    def follow(self, sent: int):
        self.record.append(("follow", sent))
        self.followed = sent

    def wait(self, sent: int):
        self.record.append(("wait", sent))
        self._arrive(sent)

    def _arrive(self, sent: int):
        with self.lock:
            while self.on_its_way and self.on_its_way[0][0] <= sent:
                self.on_its_way.pop(0)[1]()

    def free(self) -> int:
        return self.left

    def _defer(self, work):
        self.late.append(work)

    def _put(self, work):
        if self.queue:
            work = partial(self._defer, work)
        if self.captured is None:
            self._arrive(self.followed)
            work()
        else:
            self.captured.append(work)

    def _refuse_in_capture(self, what):
        if self.captured is not None:
            raise EmulationError(f"cannot {what} while a graph is captured")


def _on_copies(kernel, grid, block, arguments, values, shared, order):
    """A launch on copies of just the arrays' bytes: past their ends lies what the address sanitizer watches."""
    arrays: dict[int, np.ndarray] = {}
    for x, value in zip(arguments, values, strict=True):
        if isinstance(x, Array) and (value not in arrays or x.nbytes > arrays[value].nbytes):
            arrays[value] = x.host.reshape(-1).view(np.uint8)
    copies = {value: array.copy() for value, array in arrays.items()}
    moved = [copies[v].ctypes.data if isinstance(x, Array) else v for x, v in zip(arguments, values, strict=True)]
    kernel.launch(grid, block, moved, shared, order)
    for value, array in arrays.items():
        array[...] = copies[value]


def rounded(x: np.ndarray) -> np.ndarray:
    """float32 numbers with ten bits of fraction, to nearest: what tensor cores multiply under the name of TF32."""
    bits = x.view(np.uint32).astype(np.uint64)
    return np.where(np.isfinite(x), ((bits + 0x1000) & 0xFFFFE000).astype(np.uint32).view(np.float32), x)


def _matrix(array: Array, ld: int, shape, offset: int) -> np.ndarray:
    flat = array.host.reshape(-1)[offset:]
    if ld < shape[1] or (shape[0] - 1) * ld + shape[1] > flat.size:
        raise EmulationError(f"a matrix of {shape} with rows {ld} apart does not fit its array")
    return np.lib.stride_tricks.as_strided(flat, shape, (ld * flat.itemsize, flat.itemsize))
