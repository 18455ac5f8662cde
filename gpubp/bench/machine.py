"""What figures depend on besides the code."""

import os
import platform
import sys
from pathlib import Path

from gpubp.backend.threads import processors


def machine() -> dict:
    """Processor, how many of them may be used, memory, system and Python."""
    return {
        "processor": _processor(),
        "cores": processors(),
        "memory_bytes": _memory(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    names = (line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):
        return None
