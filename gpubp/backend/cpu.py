"""The CPU as a device: NumPy arrays."""

import numpy as np

from gpubp.backend.threads import team_size


class CPUDevice:
    """The host's memory."""

    name = "cpu"
    align = 64
    epilogues = frozenset({"bias", "relu_bias"})
    narrow = False
    branches = False
    precisions = frozenset({"float32", "float64"})

    @property
    def setting(self) -> str:
        """Its name with the number of threads that may share a step, on which its speed depends."""
        return f"{self.name}, threads: {team_size()}"

    def alloc(self, nbytes: int) -> np.ndarray:
        raw = np.zeros(max(nbytes, 1) + self.align, np.uint8)
        start = -raw.ctypes.data % self.align
        return raw[start : start + max(nbytes, 1)]

    def adopt(self, array) -> None:
        return None  # what lies in the host's memory needs no care

    def upload(self, array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array)

    def download(self, array: np.ndarray) -> np.ndarray:
        return array

    def copy(self, target: np.ndarray, source: np.ndarray):
        target[...] = source

    def trim(self, beyond: int):
        pass  # NumPy keeps none
