"""The device interface: where arrays live. Whatever differs between the CPU and a GPU outside of kernels is here."""

from typing import Protocol

import numpy as np


class Device(Protocol):
    """A place with memory. `name` is what users call it: "cpu", "cuda:0"."""

    name: str
    align: int  # of operands in segments, in bytes
    setting: str  # the name, and what else its speed depends on that users choose

    def alloc(self, nbytes: int):
        """A buffer of zeros, as bytes, at least one and aligned."""

    def upload(self, array: np.ndarray):
        """The array on the device, C-contiguous; itself where nothing is to be done."""

    def download(self, array) -> np.ndarray:
        """The array in the host's memory; itself where nothing is to be done."""

    def copy(self, target, source):
        """Copies numbers, or the elements of an array of the host or the device, into one of the device's arrays."""
