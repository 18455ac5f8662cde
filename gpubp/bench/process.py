"""A contender's process, seen from outside: what it is told, what it answers, and the memory that it takes."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from gpubp.bench.case import Case

ON_CPU = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
# What the caller has set: without it each library chooses its own kernels, and a checkout is compiled to bytecode once.
TUNING = ("OPENBLAS_", "OMP_", "MKL_", "PYTHONDONTWRITEBYTECODE")
CACHES = ("GPUBP_CACHE", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")


def environment(threads: int, cache: str | None = None) -> dict[str, str]:
    """That of a contender: the caller's, but for what chooses kernels, threads and devices, and the caches if asked.

    Bytecode is kept, as installed packages have it.
    """
    pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    eigen = str(threads > 1).lower()
    xla = {"XLA_FLAGS": f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(TUNING)}
    caches = {} if cache is None else dict.fromkeys(CACHES, cache)
    return kept | dict.fromkeys(pools, str(threads)) | xla | ON_CPU | caches


class Process:
    """A contender at a task; its first answer is `start`.

    Arguments:
        contender: its name.
        task: its name.
        case, problem: what is trained, and the file of its arrays.
        threads: of its libraries. Default 1.
        cold: whether it finds all caches empty. Default False.
        options: of the task.
    """

    def __init__(self, contender, task: str, case: Case, problem: Path, threads=1, cold=False, **options):
        self.name = f"{contender} at {task} of {case.name}"
        self.cache = TemporaryDirectory(prefix="gpubp-bench-") if cold else None
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(Path(__file__).with_name("launch.py"))],
            env=environment(threads, self.cache.name if self.cache else None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._confine(threads)
        settings = {"contender": contender, "task": task, "case": asdict(case), "problem": str(problem)}
        try:
            self.start = self.ask(settings | {"options": options})
        except BaseException:
            self.__exit__()
            raise

    def _confine(self, threads: int):
        """To as many processors as it may have threads: not all libraries keep to what the environment says."""
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, sorted(os.sched_getaffinity(0))[-threads:])

    @property
    def missing(self) -> str | None:
        """Why the contender takes no part; None if it does."""
        return self.start.get("missing")

    def ask(self, what=None) -> dict:
        """Its next answer. Raises RuntimeError if it has died, of what it has written to standard error."""
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(what) + "\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process of {self.name} has ended; its error is above")
        return json.loads(answer)

    def memory(self) -> tuple[int, int] | None:
        """Bytes resident now, and their peak since the last call; None where the system does not tell."""
        folder = Path("/proc", str(self.process.pid))
        try:
            lines = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            found = (1024 * int(lines[name].split()[0]) for name in ("VmRSS", "VmHWM"))
            (folder / "clear_refs").write_text("5")  # the peak begins anew
        except (OSError, KeyError):
            return None
        now, peak = found
        return now, peak

    def __enter__(self):
        return self

    def __exit__(self, *_):
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        if self.cache:
            self.cache.cleanup()
