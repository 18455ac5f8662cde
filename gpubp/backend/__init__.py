"""Where arrays live and who computes."""

from contextlib import contextmanager

import numpy as np

from gpubp.backend.cpu import CPUDevice

_CPU = CPUDevice()
_NO_CUDA = "this version of gpubp computes on the CPU only; use set_device('cpu') or set_device('auto')"


def devices() -> list[str]:
    """The names of the devices that programs can run on here."""
    return [_CPU.name]


def set_device(name: str):
    """Chooses where programs run: "cpu", or "auto" for the fastest device that works here, now the CPU.

    Raises RuntimeError for "cuda" and "cuda:N", which say what is missing, and ValueError for other names.
    """
    if name.split(":")[0] == "cuda":
        raise RuntimeError(f"device {name!r} is not there: {_NO_CUDA}")
    if name not in ("auto", "cpu"):
        raise ValueError(f"there is no device {name!r}; this machine has {devices()}, and 'auto' chooses")


@contextmanager
def device(name: str):
    """Chooses the device inside of a `with` block; arguments and errors as of `set_device`."""
    set_device(name)
    yield


def current_device() -> CPUDevice:
    """The device that programs run on."""
    return _CPU


def asnumpy(x) -> np.ndarray:
    """An array of any device, or whatever NumPy makes an array of, as a NumPy array."""
    return _CPU.download(np.asarray(x))


def get_array_module(*arrays):
    """The module whose functions compute with these arrays: NumPy."""
    return np
