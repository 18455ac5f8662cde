"""Which device programs run on: what users choose, and what is there."""

import logging
import shutil
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec

from gpubp.backend.cpu import CPUDevice
from gpubp.backend.device import Device

LOGGER = logging.getLogger("gpubp")
INSTALL = "pip install 'gpubp[cuda13]' (NVIDIA driver 580 or later) or 'gpubp[cuda12]' (525 or later)"

_CPU = CPUDevice()
_known: dict[str, Device] = {_CPU.name: _CPU}
_lock = threading.RLock()
_chosen: str = "auto"
_inside: ContextVar[str | None] = ContextVar("device", default=None)  # of a `with device(...)` block


def devices() -> list[str]:
    """The names of the devices that programs can run on here."""
    try:
        return [_CPU.name, *(f"cuda:{k}" for k in range(_gpus("cuda")))]
    except RuntimeError:
        return [_CPU.name]


def set_device(name: str):
    """Chooses where programs run from now on; weights move at the next call of a model.

    Arguments:
        name: "cpu", "cuda" for the first GPU, "cuda:1" and so on, or "auto" for the first GPU if one works, else the
            CPU, which a line in the log then explains.

    Raises:
        RuntimeError: the GPU can't be used; says what is missing and how to get it.
        ValueError: there is no such device.
    """
    global _chosen
    _found(name)
    _chosen = name


@contextmanager
def device(name: str):
    """Chooses the device inside of a `with` block; arguments and errors as of `set_device`.

    >>> with device("cpu"):
    ...     current_device().name
    'cpu'
    """
    _found(name)
    token = _inside.set(name)
    try:
        yield
    finally:
        _inside.reset(token)


def current_device() -> Device:
    """The device that programs run on."""
    return _found(_inside.get() or _chosen)


def _found(name: str) -> Device:
    with _lock:
        if name == "auto":
            return _automatic()
        kind, _, number = name.partition(":")
        if kind == "cuda" and (number.isdigit() or name == "cuda"):
            return _cuda(name, int(number or 0))
        if name not in _known:
            raise ValueError(f"there is no device {name!r}; this machine has {devices()}, and 'auto' chooses")
        return _known[name]


def _automatic() -> Device:
    """The first GPU, or the CPU with a line that says why; decided once."""
    if "auto" not in _known:
        try:
            _known["auto"] = _cuda("cuda", 0)
        except RuntimeError as error:
            _known["auto"] = _CPU
            # Where there is neither CuPy nor a driver, nobody expects a GPU.
            expected = find_spec("cupy") or shutil.which("nvidia-smi")
            LOGGER.log(logging.WARNING if expected else logging.DEBUG, "computing on the CPU: %s", error)
    return _known["auto"]


def _cuda(asked: str, number: int) -> Device:
    """A GPU. Raises RuntimeError if it can't be used."""
    name = f"cuda:{number}"
    if name not in _known:
        gpus = _gpus(asked)
        if number >= gpus:
            raise _missing(asked, f"this machine has {gpus} of them")
        from gpubp.backend.cuda import CUDADevice

        try:
            _known[name] = CUDADevice(number)
        except Exception as error:  # of CuPy, the loader or the driver: each has exceptions of its own
            raise _missing(asked, f"{type(error).__name__}: {error}") from error
    return _known[name]


def _gpus(name: str) -> int:
    """How many GPUs CuPy can use. Raises RuntimeError if there is none, or no CuPy."""
    if not find_spec("cupy"):
        raise _missing(name, f"CuPy is not installed: {INSTALL}")
    from gpubp.backend.cuda import count

    try:
        return count()
    except Exception as error:
        raise _missing(name, f"CuPy finds no GPU that works ({error}): 'gpubp doctor' looks closer") from error


def _missing(name: str, why: str) -> RuntimeError:
    return RuntimeError(f"device {name!r} is not there: {why}; set_device('cpu') computes on the CPU")
