"""Kernels as source for a compiler: headers, the written families that they call, and the kernels themselves."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path

from gpubp.kernels.description import Chain, ChainEnd, Kernel, Written

FOLDER = Path(__file__).parent
HEADERS = ("device.cuh", "half.cuh", "mma.cuh", "math.cuh", "block.cuh")


def families(kernel: Kernel) -> tuple[str, ...]:
    """The files of functions that a kernel calls, beside the headers."""
    if isinstance(kernel, Chain | ChainEnd):
        return ("narrow.cu",)
    return (f"{kernel.function.split('.')[0]}.cu",) if isinstance(kernel, Written) else ()


@cache
def _read(name: str) -> str:
    return (FOLDER / name).read_text()


def compose(families: Iterable[str], kernels: Iterable[str]) -> str:
    """One text of all: headers are put in, so that what it compiles to depends on nothing else."""
    return "\n".join([*map(_read, HEADERS), *map(_read, sorted(set(families))), *kernels])
