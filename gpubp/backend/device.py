"""The device interface: where arrays live, and what a GPU is asked to do. All that differs between devices is here."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Device(Protocol):
    """A place with memory. `name` is what users call it: "cpu", "cuda:0"."""

    name: str
    align: int  # of operands in segments, in bytes
    epilogues: frozenset[str]  # what products can do before they store, by the names of `Gemm`
    narrow: bool  # whether what `engine.narrow` joins is one kernel
    branches: bool  # whether gradients of weights may be computed beside what follows them
    precisions: frozenset[str]  # that products can be computed in, as policies name them

    @property
    def setting(self) -> str:
        """The name, and what else its speed depends on that users choose."""

    def alloc(self, nbytes: int):
        """A buffer of zeros, as bytes, at least one and aligned."""

    def adopt(self, array):
        """An array of any library that lies in the device's memory, as one of the device's own, without a copy.

        None for what lies elsewhere, or is of a dtype that the device does not know.
        """

    def upload(self, array: np.ndarray):
        """The array on the device, C-contiguous; itself where nothing is to be done."""

    def download(self, array) -> np.ndarray:
        """The array in the host's memory; itself where nothing is to be done."""

    def copy(self, target, source):
        """Copies numbers, or the elements of an array of the host or the device, into one of the device's arrays."""

    def trim(self, beyond: int):
        """Gives back memory that nobody uses, for other processes, where more than so many bytes of it are kept."""


@dataclass(frozen=True)
class Gemm:
    """C = alpha op(A) op(B) + beta C of row-major matrices, `count` times at strides counted in elements.

    op(A) is m by k and op(B) k by n; `ta` and `tb` say which of A and B are transposed; ld are elements from row to
    row. The numbers stand in the order of the op's options. `precision` is "tf32" where float32 factors may be rounded
    so, which a device that does not do it leaves out. It is "bfloat16" or "float16" where A and B are in that format;
    C is float32 then, or in the same format if its elements have two bytes. `epilogue` says what is done to the result
    before it is stored: "bias", a row is added to each of its rows, or "relu_bias", of that the ReLU is taken.
    """

    m: int
    n: int
    k: int
    lda: int
    ldb: int
    ldc: int
    ta: bool = False
    tb: bool = False
    alpha: float = 1.0
    beta: float = 0.0
    count: int = 1
    stride_a: int = 0
    stride_b: int = 0
    stride_c: int = 0
    precision: str | None = None
    epilogue: str | None = None


class Accelerator(Device, Protocol):
    """A device with kernels of its own.

    What is launched is put into a queue and done in that order. Inside of `branch` it is put into a second queue, which
    begins where the first one stands; `join` makes the first one wait for the second. Inside of `capture` nothing is
    done: the graph that comes out holds what was put into either queue, for `replay`. Nothing can be allocated or
    copied to or from the host meanwhile, and every branch must have been joined. A third queue holds what is sent from
    pinned memory, beside all this. Several threads may use the device: what others ask for waits for the end of a
    capture or a branch.
    """

    kernels: dict[str, Any]  # that have been loaded, by name
    on_chip: int  # bytes of shared memory that a block of threads may have, if it is asked for

    def address(self, array) -> int:
        """Where an array of the device begins."""

    def load(self, source: str, names: list[str]) -> dict[str, Any]:
        """The kernels of a CUDA C++ source, by name."""

    def launch(self, kernel, grid: tuple, block: tuple, arguments: list, shared: int = 0):
        """Queues a kernel on arrays of the device and integers, which it gets as 64 bits; None is a null pointer."""

    def takes(self, a, b, c, shape: Gemm, bias=None) -> bool:
        """Whether the device has a way to compute this product."""

    def gemm(self, a, b, c, shape: Gemm, bias=None):
        """Queues a product of float32, float64 or, as `Gemm` has it, half precision matrices, which it `takes`.

        Those of half precision are added up in float32. What is added as `bias` is of C's format.
        """

    def branch(self) -> AbstractContextManager:
        """Where what is queued may run beside what the first queue gets from now on."""

    def join(self):
        """The first queue waits for the second."""

    def capture(self) -> AbstractContextManager[Any]:
        """The graph of what is queued inside."""

    def replay(self, graph):
        """Queues all that a graph holds."""

    def synchronise(self):
        """Waits until all is done but what was sent."""

    def pinned(self, nbytes: int) -> np.ndarray:
        """Bytes of the host's memory that the device reads by itself, while the host does something else."""

    def send(self, target, source: np.ndarray):
        """Queues a copy of pinned bytes, which begins when all that the first queue holds is done; what to wait for."""

    def follow(self, sent):
        """The first queue waits for a copy that was sent."""

    def wait(self, sent):
        """The host waits for it. Any thread may."""

    def free(self) -> int:
        """The bytes that can still be allocated."""
