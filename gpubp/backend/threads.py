"""Processors and threads: how many this process may use, and how many the libraries under it take."""

import functools
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from gpubp.backend.locks import ProcessLock

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


class _OneThread:
    """The limit that all runs put on BLAS together: the first to begin sets it, the last to end takes it back."""

    def __init__(self):
        self.lock, self.inside = ProcessLock(), 0
        self.before: list[tuple[Any, int]] = []  # the libraries that had several threads, and how many
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._lift)

    def __enter__(self):
        with self.lock:
            self.inside += 1
            if self.inside == 1:
                counts = [(library, library.get_num_threads()) for library in _training_blas()]
                self.before = [(library, n) for library, n in counts if n and n > 1]
                for library, _ in self.before:
                    library.set_num_threads(1)

    def __exit__(self, *_):
        with self.lock:
            self.inside = max(0, self.inside - 1)
            if self.inside == 0:
                self._lift()

    def _lift(self):
        """Also what a forked child does, in which no run goes on."""
        for library, n in self.before:
            library.set_num_threads(n)
        self.before, self.inside = [], 0

    def threads(self) -> int:
        """Of what is limited the threads from before."""
        with self.lock:
            counts = [n for _, n in self.before] or [library.get_num_threads() or 1 for library in _training_blas()]
            return max(counts, default=1)


ONE_BLAS_THREAD = _OneThread()
"""Products inside `with ONE_BLAS_THREAD` run on one thread: where a step is shared, it is gpubp that shares it.

Of small ones threads take longer to meet than to compute: where other processes keep the processors busy, waiting
threads made a step of 64-100-10 ten to fifty times as long.
"""


@functools.cache
def cores(numbers: frozenset[int]) -> int:
    """How many cores processors of these numbers are: some are two of one core, which computes no faster for it."""
    siblings = (f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list" for n in numbers)
    with suppress(OSError):
        return len({Path(path).read_text() for path in siblings})
    return len(numbers)


def team_size() -> int:
    """The threads that may share a step: as many as products have, but no more than this process has cores."""
    allowed = ONE_BLAS_THREAD.threads()
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
