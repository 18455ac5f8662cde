"""Kernels from source text to addresses, found again by their text: in memory, and on disk by Numba's cache.

Every kernel that a program calls is the function `kernel` of a small module of its own, written into the cache folder,
where Numba keeps the machine code beside it. The folder's name carries a hash of this package, since Numba does not
notice a change of a function that lives in another file.
"""

import hashlib
import importlib.util
import logging
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numba

from gpubp.backend.cache import cache_folder

LOGGER = logging.getLogger("gpubp")
LIBRARIES = ("b8", "f32", "f64", "i64")
PATIENCE = 1.0  # seconds of compiling that nobody is told of
SECONDS_A_KERNEL = 0.4  # roughly: from 0.1 to 2
HEADER = '''"""Generated."""

import numpy as np

from gpubp.kernels.cpu.native import added, checked_finite, checked_index, clamped_index, entry, ints
from gpubp.kernels.cpu.native import narrowed, open_operand, operand
'''
_ADDRESSES: dict[str, int] = {}  # by the text of the kernel


@cache
def folder() -> Path:
    """Where kernels of this version of the package, of Python and of Numba are kept."""
    text = b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py")))
    version = hashlib.sha256(text).hexdigest()[:12]
    return cache_folder("kernels", f"{version}-py{sys.version_info[0]}{sys.version_info[1]}-numba{numba.__version__}")


def address(body: str) -> int:
    """The address of the kernel whose module consists of the header and this text."""
    if body not in _ADDRESSES:
        _ADDRESSES[body] = _load(_text(body)).kernel.address
    return _ADDRESSES[body]


def announce(bodies: Iterable[str]):
    """Logs a line if compiling those of these kernels that are neither in memory nor on disk takes long."""
    unknown = {_name(_text(body)) for body in bodies if body not in _ADDRESSES}
    if not unknown:
        return
    on_disk = {path.name.split(".")[0] for path in folder().glob("__pycache__/*.nbi")}
    missing = len(unknown - on_disk)
    if missing * SECONDS_A_KERNEL > PATIENCE:
        message = "compiling %d kernels, which takes some %.0f s; they are kept in %s"
        LOGGER.warning(message, missing, missing * SECONDS_A_KERNEL, folder())


def _text(body: str) -> str:
    libraries = "".join(f"from gpubp.kernels.cpu import {name}\n" for name in LIBRARIES if f"{name}." in body)
    return HEADER + libraries + body


def _name(text: str) -> str:
    return "gpubp_kernel_" + hashlib.sha256(text.encode()).hexdigest()[:20]


def _load(text: str):
    name = _name(text)
    path = folder() / f"{name}.py"
    if not path.exists():
        temporary = path.with_suffix(f".{hashlib.sha256(str(id(text)).encode()).hexdigest()[:8]}.tmp")
        temporary.write_text(text)
        temporary.replace(path)
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # by which Numba finds it again; and machine code lives as long as its module
    specification.loader.exec_module(module)
    return module
