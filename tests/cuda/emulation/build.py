"""Kernels of CUDA C++ compiled by g++ and run on the CPU: the text that the device gets, unchanged.

Libraries are kept by a hash of all that they are made of, so that a second run compiles nothing.
"""

import ctypes
import hashlib
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gpubp.backend.cache import cache_folder

HERE = Path(__file__).parent
COMMON = [
    "g++",
    "-std=c++20",
    "-fPIC",
    "-shared",
    "-fno-gnu-unique",
    "-ffp-contract=off",
    "-Wall",
    "-Werror",
    f"-I{HERE}",
]
# Headers offer what a kernel leaves unused, and pragmas speak to NVRTC alone.
QUIET = ("unused-variable", "unused-local-typedefs", "unused-but-set-variable", "sign-compare", "unknown-pragmas")
COMMON += [f"-Wno-{what}" for what in QUIET]
MODES = {
    "plain": ["-O1"],
    "asan": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "tsan": ["-O1", "-g", "-fsanitize=thread"],
}
ENTRY = re.compile(r'extern "C" __global__ void __launch_bounds__\([^)]*\) (\w+)\(([^)]*)\)')
DTYPES = {
    "float": "float32",
    "double": "float64",
    "bool": "bool",
    "i8": "int8",
    "short": "int16",
    "int": "int32",
    "i64": "int64",
    "u8": "uint8",
    "u16": "uint16",
    "u32": "uint32",
    "u64": "uint64",
    "bf16": "uint16",
    "f16": "float16",
}


class EmulationError(RuntimeError):
    """What a device would have done wrong in silence."""


@dataclass(frozen=True)
class Kernel:
    """An entry point: its parameters as (dtype, whether it is a pointer), and how to call it."""

    name: str
    parameters: tuple[tuple[str, bool], ...]
    call: int
    library: ctypes.CDLL
    mode: str

    def launch(self, grid, block, values: list[int], shared: int, order: int):
        """Runs it on addresses and integers. Raises EmulationError for what its threads do wrong together."""
        words = (ctypes.c_int64 * len(values))(*values)
        pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(words) + 8 * k for k in range(len(values))))
        grid, block = (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block)
        edges = (
            [getattr(self.library, f"shared_{end}", None) for end in ("begin", "end")] if self.mode == "plain" else []
        )
        edges = [ctypes.cast(self.library[f"shared_{end}"], ctypes.c_void_p) for end in ("begin", "end")]
        problem = runtime(self.mode).emulated_launch(self.call, pointers, grid, block, shared, order, *edges)
        if problem:
            raise EmulationError(f"{self.name}: {problem.decode()}")


def _library(text: str, mode: str, options: list[str]) -> Path:
    """The library of a text, compiled now or before."""
    made_of = [text, mode, *options, *COMMON, *MODES[mode], (HERE / "cuda.h").read_text()]
    name = hashlib.sha256("\0".join(made_of).encode()).hexdigest()[:24]
    path = cache_folder("emulation") / f"{name}.so"
    if not path.exists():
        temporary = path.with_suffix(f".{id(text)}.tmp")
        command = [*COMMON, *MODES[mode], "-x", "c++", "-", "-o", str(temporary), *options]
        done = subprocess.run(command, input=text, text=True, capture_output=True)
        if done.returncode:
            raise EmulationError(f"g++ refuses the kernels:\n{done.stderr[:4000]}")
        temporary.replace(path)
    return path


@cache
def runtime(mode: str) -> ctypes.CDLL:
    """What runs the threads, loaded so that kernels find it."""
    path = _library((HERE / "runtime.cpp").read_text(), mode, [])
    library = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    library.emulated_launch.restype = ctypes.c_char_p
    library.emulated_launch.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_size_t, ctypes.c_int] + [ctypes.c_void_p] * 2
    return library


def load(source: str, mode: str = "plain") -> dict[str, Kernel]:
    """The kernels of a source, by name."""
    entries = {name: _parameters(text) for name, text in ENTRY.findall(source)}
    calls = "".join(_call(name, parameters) for name, parameters in entries.items())
    runtime(mode)
    library = ctypes.CDLL(str(_library(f'#include "cuda.h"\n{source}\n{calls}', mode, [])))
    address = {name: ctypes.cast(library[f"call_{name}"], ctypes.c_void_p).value for name in entries}
    return {name: Kernel(name, entries[name], address[name], library, mode) for name in entries}


def _parameters(text: str) -> tuple[tuple[str, bool], ...]:
    found = (re.fullmatch(r"(?:const )?(\w+)(\*?) \w+", p.strip()) for p in text.split(","))
    return tuple((DTYPES[m[1]], m[2] == "*") for m in found)


def _call(name, parameters) -> str:
    """A function that takes pointers to the arguments, as a launch does."""
    types = {v: k for k, v in DTYPES.items()}
    values = (f"*({types[dtype]}{'*' if pointer else ''}*)v[{k}]" for k, (dtype, pointer) in enumerate(parameters))
    return f'extern "C" void call_{name}(void** v) {{ {name}({", ".join(values)}); }}\n'
