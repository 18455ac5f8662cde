"""Processors and threads: how many this process may use, and how many the libraries under it take."""

import ctypes
import functools
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from gpubp.backend.locks import ProcessLock

CGROUP = Path("/sys/fs/cgroup")


def processors() -> int:
    """How many processors this process may run on: of those of the machine, what affinity leaves."""
    return len(_mine())


def _mine() -> frozenset[int]:
    """Their numbers."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


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


def _training_blas() -> list:
    """The libraries that compute training's products: those in SciPy's folders; where there are none, all."""
    return _libraries("scipy.linalg.cython_blas" in sys.modules)


@functools.cache
def _libraries(loaded: bool) -> list:
    """Those that are there before and after SciPy's are `loaded`."""
    import threadpoolctl

    found = [c for c in threadpoolctl.ThreadpoolController().lib_controllers if c.user_api == "blas"]
    return [c for c in found if any(f.startswith("scipy") for f in Path(c.filepath or "").parts[:-1])] or found


class _OneThread:
    """The limit that all runs put on BLAS together: the first to begin sets it, the last to end takes it back."""

    def __init__(self):
        self.lock, self.inside = ProcessLock(), 0
        self.before: dict[int, tuple[Any, int]] = {}  # the libraries that had several threads, and how many
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._lift)

    def __enter__(self):
        with self.lock:
            self.inside += 1
            for library in _training_blas():
                if (n := library.get_num_threads() or 1) > 1:
                    self.before[id(library)] = library, n
                    _set_threads(library, 1)

    def __exit__(self, *_):
        with self.lock:
            self.inside = max(0, self.inside - 1)
            if self.inside == 0:
                self._lift()

    def _lift(self):
        """Also what a forked child does, in which no run goes on."""
        for library, n in self.before.values():
            _set_threads(library, n)
        self.before, self.inside = {}, 0

    def threads(self) -> int:
        """Those of the libraries: if they are limited, as many as they had."""
        with self.lock:
            had = [n for _, n in self.before.values()]
            return max(had or [library.get_num_threads() or 1 for library in _training_blas()], default=1)


def _set_threads(library, n: int):
    """Whoever asks: since its version 3.8, threadpoolctl heeds one thread of the process alone."""
    getattr(library, "_real_set_num_threads", library.set_num_threads)(n)


ONE_BLAS_THREAD = _OneThread()
"""Products inside `with ONE_BLAS_THREAD` run on one thread: where a step is shared, it is gpubp that shares it.

Of small ones threads take longer to meet than to compute: where other processes keep the processors busy, waiting
threads made a step of 64-100-10 ten to fifty times as long.
"""


@functools.cache
def cores(numbers: frozenset[int]) -> tuple[tuple[int, ...], ...]:
    """The processors of these numbers by core: some are two of one core, which computes no faster for it."""
    found: dict[str, tuple[int, ...]] = {}
    for n in sorted(numbers):
        core = str(n)
        with suppress(OSError):
            core = Path(f"/sys/devices/system/cpu/cpu{n}/topology/thread_siblings_list").read_text()
        found[core] = (*found.get(core, ()), n)
    return tuple(found.values())


def team_size() -> int:
    """The threads that may share a step: as many as products have, but no more than this process has cores."""
    allowed = ONE_BLAS_THREAD.threads()
    if allowed == 1:
        return 1
    return max(1, min(allowed, len(cores(_mine())), int(_quota() or allowed)))


def places(count: int) -> list[Callable[[], None]]:
    """For so many other threads what each does to begin on a core of its own, beside this thread's.

    The system's scheduler may have two that wake each other share a processor for long, each waiting for the other.
    They may be moved later. Nothing is done where the system does not tell on which processor a thread is.
    """
    here, mine = _processor(), _mine()
    every = cores(mine)
    own = next((k for k, core in enumerate(every) if here in core), 0)
    free = [core[0] for core in every[own + 1 :] + every[:own]]
    if here is None or not free:
        return [lambda: None] * count
    return [functools.partial(_move, free[k % len(free)], mine) for k in range(count)]


def _move(processor: int, allowed: frozenset[int]):
    for numbers in ({processor}, allowed):
        with suppress(OSError):
            os.sched_setaffinity(0, numbers)


def _processor() -> int | None:
    """On which this thread is now, as Linux tells."""
    function = getattr(_system(), "sched_getcpu", None)
    return function() if function and hasattr(os, "sched_setaffinity") else None


@functools.cache
def _system() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if os.name == "posix" else None


@functools.cache
def _quota() -> float | None:
    return quota()
