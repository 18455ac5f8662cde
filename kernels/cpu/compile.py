"""Kernels from source text to addresses, found again by their text: in memory, and on disk.

Every kernel that a program calls is the function `kernel` of a small module of its own. The cache folder's name carries
a hash of all that its machine code depends on.
"""

import hashlib
import logging
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path

from gpubp.backend.cache import cache_folder
from gpubp.backend.locks import ProcessLock
from gpubp.kernels.cpu import machine_code, processor
from gpubp.kernels.cpu.pace import Pace

LOGGER = logging.getLogger("gpubp")
LIBRARIES = ("b8", "f32", "f64", "i64")
PATIENCE = 1.0  # seconds of compiling that nobody is told of
HEADER = '''"""Generated."""

import numpy as np

from gpubp.kernels.cpu.native import added, checked_finite, checked_index, clamped_index, ints
from gpubp.kernels.cpu.native import narrowed, open_operand, operand
'''
_ADDRESSES: dict[str, int] = {}  # by the text of the kernel
_PACE = Pace()
_LOCK = ProcessLock()  # neither LLVM's engine nor Numba is for several threads at once


@cache
def folder() -> Path:
    """Where kernels of this version of the package, of Numba and for this processor are kept."""
    sources = b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py")))
    place = f"{processor.NAME} {processor.FEATURES}".encode()
    return cache_folder("kernels", f"{_hash(sources)[:12]}-numba{version('numba')}-{_hash(place)[:12]}")


def address(body: str) -> int:
    """The address of the kernel whose module consists of the header and this text."""
    if body not in _ADDRESSES:
        with _LOCK:
            if body not in _ADDRESSES:
                text = _text(body)
                _ADDRESSES[body] = machine_code.load(_code(text), _name(text))
    return _ADDRESSES[body]


def announce(bodies: Iterable[str]):
    """Logs a line if compiling those of these kernels that are neither in memory nor on disk takes long."""
    unknown = {_text(body) for body in bodies if body not in _ADDRESSES}
    missing = [text for text in unknown if not _path(text).exists()]
    seconds = _PACE.seconds(missing)
    if seconds > PATIENCE:
        what = "a kernel" if len(missing) == 1 else f"{len(missing)} kernels"
        LOGGER.warning("compiling %s, which takes some %.0f s; kept in %s", what, seconds, folder())


def _code(text: str) -> bytes:
    kept = machine_code.read(_path(text))
    if kept is None:
        with _PACE.measured(text):
            from gpubp.kernels.cpu import emit  # here alone, since it imports Numba

            kept = emit.machine_code(text, _name(text))
        machine_code.write(_path(text), kept)
    return kept


def _text(body: str) -> str:
    libraries = "".join(f"from gpubp.kernels.cpu import {name}\n" for name in LIBRARIES if f"{name}." in body)
    return HEADER + libraries + body


def _name(text: str) -> str:
    return "gpubp_kernel_" + _hash(text.encode())[:20]


def _path(text: str) -> Path:
    return folder() / f"{_name(text)}.o"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
