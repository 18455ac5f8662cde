"""Processors and threads: how many this process may use, and how many the libraries under it take."""

import functools
import os
from contextlib import contextmanager, suppress
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def processors() -> int:
    """The processors that this process may run on: of those of the machine, what affinity leaves."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(root: Path = CGROUP) -> float | None:
    """How many processors' worth of time the container may use, such as 1.5; None without a limit.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (cpu.max), cgroup-v1 (cpu.cfs_quota_us).
    """
    with suppress(OSError, ValueError):
        limit, length = (root / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(length)
    with suppress(OSError, ValueError):
        allowed, period = (int((root / "cpu" / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
        return None if allowed < 0 else allowed / period
    return None


def pools() -> list[dict]:
    """The thread pools that the process has loaded, as threadpoolctl tells of them."""
    import threadpoolctl  # looks at all loaded libraries

    return threadpoolctl.threadpool_info()


@functools.cache
def _training_blas() -> list:
    """The libraries that compute training's products: those that SciPy brings; where it brings none, all there are."""
    import threadpoolctl

    found = [c for c in threadpoolctl.ThreadpoolController().lib_controllers if c.user_api == "blas"]
    return [c for c in found if "scipy" in (c.filepath or "")] or found


@contextmanager
def one_blas_thread():
    """Products inside run on one thread: of small ones threads take longer to meet than to compute.

    Where other processes keep the processors busy, waiting threads made a step of 64-100-10 ten to fifty times as long.
    """
    before = [(library, library.get_num_threads()) for library in _training_blas()]
    several = [(library, n) for library, n in before if n and n > 1]
    for library, _ in several:
        library.set_num_threads(1)
    try:
        yield
    finally:
        for library, n in several:
            library.set_num_threads(n)


def training_threads() -> int:
    """The threads that training's products have."""
    return max((library.get_num_threads() or 1 for library in _training_blas()), default=1)


@functools.cache
def cores(numbers: frozenset[int]) -> int:
    """How many cores processors of these numbers are: some are two of one core, which computes no faster for it."""
    siblings = (f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list" for n in numbers)
    with suppress(OSError):
        return len({Path(path).read_text() for path in siblings})
    return len(numbers)


def team_size() -> int:
    """The threads that may share a step: as many as products have, but no more than this process has cores."""
    allowed = training_threads()
    if allowed == 1:
        return 1
    mine = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset(range(processors()))
    return max(1, min(allowed, cores(mine), int(_quota() or allowed)))


@functools.cache
def _quota() -> float | None:
    return quota()


def blas_threads() -> int:
    """The threads of the matrix products: of the BLAS libraries' pools the largest."""
    return max((pool["num_threads"] for pool in pools() if pool["user_api"] == "blas"), default=1)
