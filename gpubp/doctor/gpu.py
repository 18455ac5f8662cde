"""The NVIDIA GPUs, as their driver's own tool tells of them; CuPy need not be there."""

import shutil
import subprocess
from typing import Any

TOOL = "nvidia-smi"
FIELDS = ("name", "driver_version", "memory.total", "compute_cap")
MIB = 2**20


def gpus() -> list[dict[str, Any]] | None:
    """Name, driver, bytes of memory and compute capability of each; None where no driver answers.

    Drivers of before 2021 do not know of compute capabilities: these are None then.
    """
    found = _ask(FIELDS)
    return _ask(FIELDS[:-1]) if found is None else found


def _ask(fields: tuple[str, ...]) -> list[dict[str, Any]] | None:
    if shutil.which(TOOL) is None:
        return None
    command = [TOOL, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return [_gpu([value.strip() for value in line.split(",")]) for line in answer.strip().splitlines()]
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def _gpu(values: list[str]) -> dict[str, Any]:
    name, driver, memory, *capability = values
    known = int(memory) * MIB if memory.isdigit() else None  # "[N/A]" where GPU and host share theirs
    return {
        "name": name,
        "driver": driver,
        "memory": known,
        "compute_capability": capability[0] if capability else None,
    }


def cupy_package(driver: str) -> str | None:
    """The package of CuPy for a driver's version; None if the driver is too old for any.

    Source: https://docs.nvidia.com/cuda/cuda-toolkit-release-notes (CUDA Toolkit and minimum driver versions).
    """
    major = int(driver.split(".")[0])
    return "cupy-cuda13x" if major >= 580 else "cupy-cuda12x" if major >= 525 else None
