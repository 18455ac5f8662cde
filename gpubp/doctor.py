"""What training stands on here: versions, BLAS, threads, caches, devices; and a trial whether it works."""

import os
import platform
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from importlib import metadata
from typing import Any

import numpy as np
import threadpoolctl

from gpubp.backend import devices
from gpubp.backend.cache import cache_folder, cache_is_temporary

NEEDED = ("numpy", "scipy", "numba", "threadpoolctl", "safetensors", "typer", "rich")
CUPY = ("cupy", "cupy-cuda12x", "cupy-cuda13x")
QUERY = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]


def examine() -> dict[str, Any]:
    """The facts, as JSON knows them: nested dicts, lists, strings, numbers, None for what is not there."""
    return {
        "gpubp": version("gpubp"),
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "platform": {"name": platform.platform(), "machine": platform.machine(), "processors": os.cpu_count()},
        "packages": {name: version(name) for name in (*NEEDED, "matplotlib")},
        "blas": blas(),
        "threads": threads(),
        "cache": cache(),
        "gpu": {"driver": driver(), "cupy": next(filter(None, map(version, CUPY)), None)},
        "devices": devices(),
    }


def version(package: str) -> str | None:
    """The version of an installed package; None if it is not installed."""
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return None


def blas() -> dict[str, str]:
    """Which BLAS NumPy was built with."""
    found = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {key: str(found.get(key, "unknown")) for key in ("name", "version")}


def threads() -> list[dict]:
    """The pools of threads that NumPy and SciPy bring with them, as threadpoolctl sees them."""
    with suppress(ImportError):
        import scipy.linalg  # noqa: F401 - loads SciPy's BLAS, which training calls
    wanted = ("internal_api", "version", "num_threads", "filepath")
    return [{key: pool.get(key) for key in wanted} for pool in threadpoolctl.threadpool_info()]


def cache() -> dict[str, Any]:
    """Where compiled kernels are kept, of all versions, and how much of them there is."""
    folder = cache_folder("kernels")
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"folder": str(folder), "temporary": cache_is_temporary("kernels"), "files": len(sizes), "bytes": sum(sizes)}


def driver() -> list[str] | None:
    """Name and driver of each NVIDIA GPU; None where there is no driver, or one that does not answer."""
    if shutil.which(QUERY[0]) is None:
        return None
    try:
        answer = subprocess.run(QUERY, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().splitlines()


def trial() -> dict[str, Any]:
    """Trains a 2-4-2 net to tell which of two numbers is larger; whether that works, and how."""
    start = time.perf_counter()
    try:
        message = _train()
    except Exception as error:  # whatever it is, it is what a person asks a doctor about
        return {"works": False, "message": f"{type(error).__name__}: {error}"}
    return {"works": True, "message": f"{message} in {time.perf_counter() - start:.1f} s"}


def _train() -> str:
    from gpubp import Input, Sequential, layers, optimizers, set_random_seed

    set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    model = Sequential([Input((2,)), layers.Dense(4, "relu"), layers.Dense(2, "softmax")])
    model.compile(optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    losses = model.fit(x, (x[:, 0] > x[:, 1]).astype(np.int64), batch_size=16, epochs=10, verbose=0).history["loss"]
    if not losses[-1] < losses[0]:
        raise ArithmeticError(f"the loss went from {losses[0]:.4f} to {losses[-1]:.4f}")
    return f"a 2-4-2 net learned: loss {losses[0]:.4f} -> {losses[-1]:.4f}, {model.iterations} steps"


def advice(facts: dict[str, Any]) -> list[dict[str, str]]:
    """What is missing, and the command that mends it."""
    found = [
        {"missing": f"{name}, which gpubp needs", "command": f"{sys.executable} -m pip install {name}"}
        for name in NEEDED
        if facts["packages"][name] is None
    ]
    if facts["packages"]["matplotlib"] is None:
        command = f"{sys.executable} -m pip install 'gpubp[plot]'"
        found.append({"missing": "matplotlib, which draws learning curves", "command": command})
    if facts["cache"]["temporary"]:
        missing = "a folder for compiled kernels that can be written; each process compiles its own"
        setting = "set GPUBP_CACHE=" if sys.platform == "win32" else "export GPUBP_CACHE="
        found.append({"missing": missing, "command": f"{setting}FOLDER"})
    return found


def lines(facts: dict[str, Any]) -> list[str]:
    """The facts for a person."""
    python, machine, kept = facts["python"], facts["platform"], facts["cache"]
    packages = ", ".join(f"{name} {number or 'missing'}" for name, number in facts["packages"].items())
    pools = [f"{p['internal_api']} {p['version']}: {p['num_threads']} threads" for p in facts["threads"]]
    gpu = facts["gpu"]
    rows = {
        "gpubp": facts["gpubp"],
        "Python": f"{python['version']} ({python['executable']})",
        "platform": f"{machine['name']}, {machine['processors']} processors",
        "packages": packages,
        "BLAS": f"NumPy's: {facts['blas']['name']} {facts['blas']['version']}",
        "threads": "; ".join(pools) or "no pools",
        "kernel cache": f"{kept['folder']}{' (temporary)' if kept['temporary'] else ''}, "
        f"{kept['files']} files, {kept['bytes'] / 1e6:.1f} MB",
        "NVIDIA driver": "; ".join(gpu["driver"]) if gpu["driver"] else "none that answers",
        "CuPy": f"{gpu['cupy'] or 'not installed'} (this version of gpubp computes on the CPU only)",
        "devices": ", ".join(facts["devices"]),
    }
    return [f"{name:15}{value}" for name, value in rows.items()]
