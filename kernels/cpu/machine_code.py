"""Machine code in memory and on disk. Numba is not needed for it: most processes compile nothing.

A file holds the SHA-256 of an object file, then the object file.
"""

import hashlib
import logging
import uuid
from contextlib import suppress
from functools import cache
from pathlib import Path

from llvmlite import binding

from gpubp.kernels.cpu import processor

LOGGER = logging.getLogger("gpubp")
DIGEST = hashlib.sha256().digest_size


def target_machine() -> binding.TargetMachine:
    """What LLVM needs to know to make machine code that this process can load: the same settings as Numba's."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    where = "static" if target.name.startswith("x86") else "default"
    return target.create_target_machine(processor.NAME, processor.FEATURES, opt=3, reloc=where, jit=True)


def load(code: bytes, name: str) -> int:
    """The address of the function of this name in an object file, whose code stays in memory from now on."""
    engine = _engine()
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine.get_function_address(name)


@cache
def _engine() -> binding.ExecutionEngine:
    return binding.create_mcjit_compiler(binding.parse_assembly(""), target_machine())


def write(path: Path, code: bytes):
    """Keeps an object file: whole, or not at all, of which a line in the log tells."""
    temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")  # containers that share a folder may share process numbers
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(hashlib.sha256(code).digest() + code)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        _warn(path.parent, error.strerror)


@cache
def _warn(folder: Path, error: str | None):
    """Once a process: what can't be kept is compiled again by the next one."""
    LOGGER.warning("compiled kernels cannot be kept in %s: %s", folder, error)


def read(path: Path) -> bytes | None:
    """The object file that was kept; None if there is none, or a damaged one."""
    try:
        kept = path.read_bytes()
    except OSError:
        return None
    code = kept[DIGEST:]
    return code if kept[:DIGEST] == hashlib.sha256(code).digest() else None
