"""The facts, as JSON knows them: nested dicts, lists, strings, numbers, None for what is not there."""

import json
import os
import platform
import subprocess
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from gpubp.backend import devices
from gpubp.backend.cache import cache_folder, cache_is_temporary
from gpubp.backend.threads import pools, processors, quota
from gpubp.doctor.gpu import gpus

NEEDED = ("numpy", "scipy", "numba", "threadpoolctl", "safetensors", "typer", "rich")
OPTIONAL = ("matplotlib",)
CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")
CORE_TYPE = "OPENBLAS_CORETYPE"
# What BLAS and OpenMP read when they are loaded, and Numba.
VARIABLES = ("OPENBLAS_", "GOTO_", "OMP_", "GOMP_", "KMP_", "MKL_", "BLIS_", "VECLIB_", "NUMBA_", "GPUBP_")
# Prints the kinds of processors for which the BLAS libraries have chosen their kernels.
CORE_TYPES = """
import json, scipy.linalg, threadpoolctl
print(json.dumps([pool.get("architecture") for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]))
"""


def examine() -> dict[str, Any]:
    """All facts by subject."""
    return {
        "gpubp": version("gpubp"),
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "platform": {"name": platform.platform(), "machine": platform.machine()},
        "packages": {name: version(name) for name in (*NEEDED, *OPTIONAL)},
        "processors": {"there": os.cpu_count() or 1, "usable": processors(), "quota": quota()},
        "blas": blas(),
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)},
        "cache": cache(),
        "gpus": gpus(),
        "cupy": next(filter(None, map(version, CUPY)), None),
        "devices": devices(),
    }


def version(package: str) -> str | None:
    """The version of an installed package; None if it is not installed."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def blas() -> dict[str, Any]:
    """The BLAS libraries that NumPy and SciPy bring, of which training calls SciPy's, and what this processor wants."""
    with suppress(ImportError):
        import scipy.linalg  # noqa: F401 - loads SciPy's BLAS
    wanted = ("internal_api", "version", "num_threads", "architecture", "threading_layer", "filepath")
    found = [{key: pool.get(key) for key in wanted} for pool in pools() if pool["user_api"] == "blas"]
    for one in found:  # where NumPy and SciPy share a library, there is but one
        one["trains"] = len(found) == 1 or "scipy" in Path(str(one["filepath"])).parent.name
    return {"libraries": found, "best_architecture": best_architecture(found)}


def best_architecture(libraries: list[dict]) -> str | None:
    """The kind of processor that BLAS would choose its kernels for by itself; None if it says nothing of that."""
    if CORE_TYPE not in os.environ:
        return next((one["architecture"] for one in libraries if one["architecture"]), None)
    environment = {name: value for name, value in os.environ.items() if name != CORE_TYPE}
    with suppress(OSError, subprocess.SubprocessError, ValueError):
        command = [sys.executable, "-c", CORE_TYPES]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return next(filter(None, json.loads(run.stdout)), None)
    return None


def cache() -> dict[str, Any]:
    """Where compiled kernels are kept, of all versions, and how much of them there is."""
    folder = cache_folder("kernels")
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"folder": str(folder), "temporary": cache_is_temporary("kernels"), "files": len(sizes), "bytes": sum(sizes)}
