"""What is missing or in the way, and the command that mends it."""

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gpubp.doctor.facts import CORE_TYPE, NEEDED
from gpubp.doctor.gpu import cupy_package

THREADS = "_NUM_THREADS"


@dataclass(frozen=True)
class Advice:
    """What is missing or in the way, the command that mends it, and whether training fails until then."""

    problem: str
    command: str
    needed: bool = False


def advice(facts: dict[str, Any]) -> list[Advice]:
    """All advice on the facts that `examine` has found, what training needs first."""
    found = [*_packages(facts), *_cache(facts), *_blas(facts), *_gpu(facts)]
    return sorted(found, key=lambda one: not one.needed)


def install(package: str) -> str:
    return f"{sys.executable} -m pip install {package}"


def setting(name: str, value: object = None) -> str:
    """The shell's command that sets an environment variable, or without a value removes it."""
    if sys.platform == "win32":
        return f"set {name}={'' if value is None else value}"
    return f"unset {name}" if value is None else f"export {name}={value}"


def _packages(facts) -> Iterator[Advice]:
    for name in NEEDED:
        if facts["packages"][name] is None:
            yield Advice(f"{name}, which gpubp needs, is missing", install(name), needed=True)
    if facts["packages"]["matplotlib"] is None:
        yield Advice("matplotlib, which draws learning curves, is missing", install("'gpubp[plot]'"))


def _cache(facts) -> Iterator[Advice]:
    if facts["cache"]["temporary"]:
        problem = "no folder for compiled kernels can be written, so that each process compiles its own"
        yield Advice(problem, setting("GPUBP_CACHE", "FOLDER"))


def _blas(facts) -> Iterator[Advice]:
    """Settings under which BLAS computes for another processor, or with other threads than it could have."""
    environment, blas = facts["environment"], facts["blas"]
    best = blas["best_architecture"]
    for library in blas["libraries"]:
        if CORE_TYPE in environment and best and library["architecture"] not in (None, best):
            problem = f"{CORE_TYPE}={environment[CORE_TYPE]} makes BLAS compute for {library['architecture']}"
            yield Advice(f"{problem}; this processor is {best}", setting(CORE_TYPE))
            break
    threads = max((library["num_threads"] for library in blas["libraries"]), default=1)
    allowed = usable(facts["processors"])
    limits = [name for name in environment if name.endswith(THREADS) and not name.startswith("NUMBA")]
    if threads > allowed:
        problem = f"BLAS runs {threads} threads where this process may use {allowed} processors, which slows it down"
        yield Advice(problem, setting(f"OMP{THREADS}", allowed))
    elif threads < allowed and limits:
        names = ", ".join(f"{name}={environment[name]}" for name in limits)
        problem = f"{names}: BLAS runs {threads} of the {allowed} threads that it could"
        yield Advice(problem, "; ".join(map(setting, limits)))


def usable(processors: dict[str, Any]) -> int:
    """How many threads can run at a time, by affinity and by the container's quota."""
    quota = processors["quota"]
    return max(1, min(processors["usable"], math.ceil(quota) if quota else processors["usable"]))


def _gpu(facts) -> Iterator[Advice]:
    if facts["gpus"] and not facts["cupy"]:
        driver = facts["gpus"][0]["driver"]
        package = cupy_package(driver)
        problem = "CuPy, through which gpubp reaches the GPU, is missing"
        if package:
            yield Advice(problem, install(f"'{package}[ctk]'"))
        else:
            problem += f", and the NVIDIA driver {driver} is too old for it"
            yield Advice(problem, "install version 525 or later: https://www.nvidia.com/drivers")
