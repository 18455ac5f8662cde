"""NVRTC, NVIDIA's compiler of CUDA C++ at run time, by ctypes. It needs neither a GPU nor a driver."""

import ctypes
import hashlib
from functools import cache
from pathlib import Path

from gpubp.backend.cache import cache_folder

# How kernels are compiled, where they run and where they are checked. No -use_fast_math: denormal numbers stay, and
# division and square roots are rounded correctly.
FLAGS = ("--std=c++17", "--ftz=false", "--prec-div=true", "--prec-sqrt=true", "--fmad=true")
REPORT = "--ptxas-options=-v"  # the log then says what each kernel takes of registers and memory


class CompilationError(RuntimeError):
    """A kernel does not compile."""


@cache
def library() -> ctypes.CDLL:
    """NVRTC, wherever CUDA's wheels or a toolkit have put it. Raises ImportError or RuntimeError if it is nowhere."""
    from cuda.pathfinder import load_nvidia_dynamic_lib

    loaded = ctypes.CDLL(load_nvidia_dynamic_lib("nvrtc").abs_path)
    loaded.nvrtcGetErrorString.restype = ctypes.c_char_p
    return loaded


def _call(name: str, *arguments):
    result = getattr(library(), name)(*arguments)
    if result:
        raise CompilationError(f"{name}: {library().nvrtcGetErrorString(result).decode()}")


@cache
def version() -> tuple[int, int]:
    major, minor = ctypes.c_int(), ctypes.c_int()
    _call("nvrtcVersion", ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


@cache
def architectures() -> list[int]:
    """The compute capabilities that it compiles for, as 10 * major + minor."""
    count = ctypes.c_int()
    _call("nvrtcGetNumSupportedArchs", ctypes.byref(count))
    found = (ctypes.c_int * count.value)()
    _call("nvrtcGetSupportedArchs", found)
    return sorted(found)


def target(capability: int) -> str:
    """What to compile for a device: machine code where it runs there, else what the driver translates.

    Raises CompilationError for devices that are too old.
    """
    older = [a for a in architectures() if a <= capability]
    if not older:
        raise CompilationError(
            f"the device has compute capability {capability / 10}; this CUDA begins at {architectures()[0] / 10}"
        )
    return f"{'sm' if older[-1] // 10 == capability // 10 else 'compute'}_{older[-1]}"


def compiled(source: str, target: str) -> bytes:
    """Machine code (for "sm_90" and the like) or PTX (for "compute_90") of a source, made now or before.

    Raises CompilationError with the compiler's log.
    """
    key = "\0".join([source, target, *FLAGS, str(version())])
    path = cache_folder("kernels", "cuda") / hashlib.sha256(key.encode()).hexdigest()[:32]
    if not path.exists():
        code, _ = compile(source, target)
        _write(path, code)
    return path.read_bytes()


def _write(path: Path, code: bytes):
    temporary = path.with_suffix(f".{id(code)}.tmp")
    temporary.write_bytes(code)
    temporary.replace(path)


def compile(source: str, target: str, *more: str) -> tuple[bytes, str]:
    """The code of a source and the compiler's log. Arguments and errors as of `compiled`; `more` are further flags."""
    program = ctypes.c_void_p()
    _call("nvrtcCreateProgram", ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None)
    try:
        flags = [flag.encode() for flag in (*FLAGS, f"--gpu-architecture={target}", *more)]
        failed = library().nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*flags))
        log = _text("ProgramLog", program).rstrip(b"\0").decode()
        if failed:
            raise CompilationError(f"NVRTC {version()} refuses a kernel for {target}:\n{log}")
        return _text("CUBIN" if target.startswith("sm_") else "PTX", program), log
    finally:
        _call("nvrtcDestroyProgram", ctypes.byref(program))


def _text(what: str, program) -> bytes:
    size = ctypes.c_size_t()
    _call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    _call(f"nvrtcGet{what}", program, buffer)
    return buffer.raw
