"""Training steps on a GPU side by side: gpubp, PyTorch in several ways, JAX, CuPy, and the matrix products alone.

    python bench/gpu.py --json gpu.json --budget 900   # in the order of their value, what 15 minutes suffice for
    python bench/gpu.py --json gpu.json                # about an hour and a half
    python bench/gpu.py --json gpu.json --full         # many more shapes and variants: hours

The file is written anew after each cell, so that a run cut short leaves what it has measured. Exits with 1 if a
contender did other work than gpubp, or gpubp could not run.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile

from gpu_contenders import CONTENDERS, PARTS

from gpubp.bench.case import Case
from gpubp.bench.machine import machine
from gpubp.bench.problems import random_problem
from gpubp.engine.narrow import WIDEST, WIDEST_INPUT

AT_ONCE = ("gpubp", "PyTorch captured", "products", "PyTorch")
TUNED = ("PyTorch compiled, captured", "JAX lax.scan", "PyTorch compiled", "CuPy")  # a minute and more of trying
STREAMED = ("gpubp", "gpubp, streamed")
OWN_PARTS = tuple(name for name in PARTS if name.startswith("gpubp"))
BY_MANY_KERNELS = "gpubp, plain"  # beside narrow networks, which are one kernel else
CASES = [
    Case((784, 512, 512, 10), batch=128, steps=256),
    Case((64, 100, 10), batch=200, steps=512),
    Case((784, 512, 512, 10), batch=1024, steps=128),
    Case((2, 4, 2), batch=4, steps=1024),
    Case((32, 256, 256, 2), batch=256, steps=512),
    Case((4096, 4096, 4096, 4096, 4096), batch=8192, steps=8),
    Case((64, 64, 64, 64, 64, 16), batch=1 << 18, steps=32, mse=True),
]
LARGER_THAN_MEMORY = [  # with as many blocks as it takes to tell how fast they come
    Case((784, 512, 512, 10), batch=1024, steps=768),
    Case((4096, 4096, 4096, 4096, 4096), batch=8192, steps=32),
]


def _narrow(width: int, hidden: int, batch: int) -> Case:
    """In an epoch so long that its steps count, not the call of `fit`."""
    return Case((64, *[width] * hidden, 16), batch, (1 << 23) // batch, mse=True)


GRID = [
    Case((784, 512, 512, 10), batch=8192, steps=32),
    Case((784, 128, 10), batch=64, steps=1024),
    Case((784, 128, 10), batch=1024, steps=128),
    Case((784, 1024, 1024, 1024, 10), batch=256, steps=256),
    Case((784, 1024, 1024, 1024, 10), batch=4096, steps=32),
    Case((4096, 4096, 4096, 4096, 4096), batch=8192, steps=8, mse=True),
    Case((1024, 4096, 4096, 1024), batch=2048, steps=32, mse=True),
    Case((1024, 4096, 4096, 1024), batch=16384, steps=8, mse=True),
    Case((8192, 8192, 8192), batch=8192, steps=8, mse=True),
    *(_narrow(64, 4, 1 << k) for k in (14, 16, 20)),
    *(_narrow(width, 4, 1 << 18) for width in (16, 32, 128)),
    *(_narrow(64, hidden, 1 << 18) for hidden in (2, 8)),
    Case((100, 256, 256, 1), batch=256, steps=512),
    Case((100, 256, 256, 1), batch=4096, steps=64),
    Case((783, 509, 251, 7), batch=127, steps=256),
    Case((784, 512, 512, 10), batch=128, steps=256, optimizer="sgd"),
    Case((784, 512, 512, 10), batch=128, steps=256, dropout=0.3),
    Case((784, 512, 512, 10), batch=128, steps=256, batch_norm=True),
]
PRECISIONS = ("mixed_bfloat16", "tf32", "float32", "mixed_float16")  # policies, the last one only if asked for
# Of mean losses of an epoch, relative.
TOLERANCE = {"float32": 1e-3, "tf32": 2e-2, "mixed_bfloat16": 2e-2, "mixed_float16": 2e-2}
PATIENCE, LEAST = 240, 10  # seconds for a cell at most, and without which none begins
HERE = Path(__file__).parent
CLOCKS = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.sm,clocks.mem,power.limit", "--format=csv,noheader"]
Cell = tuple[str, Case, str]  # a precision, what is trained, by whom


def gpu() -> str | None:
    """Name, driver and clocks; None where no driver answers."""
    try:
        return subprocess.run(CLOCKS, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def answer(script: str, *arguments: str, said: str = "", patience: float = PATIENCE) -> dict:
    """What a script answers in a process of its own, or under "missing" why it does not.

    Its output goes to files, and its whole group ends with it: compilers that it has begun would hold pipes open.
    """
    with TemporaryFile("w+") as out, TemporaryFile("w+") as errors:
        command = [sys.executable, str(HERE / script), *arguments]
        pipes = {"stdin": subprocess.PIPE, "stdout": out, "stderr": errors}
        process = subprocess.Popen(command, **pipes, text=True, process_group=0)
        try:
            process.communicate(said, timeout=patience)
        except subprocess.TimeoutExpired:
            return {"missing": f"took more than {patience:.0f} s"}
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        lines, log = _read(out).splitlines(), _read(errors)[-4000:]
    if process.returncode or not lines:
        return {"missing": log or f"ended with {process.returncode}, without a word"}
    return json.loads(lines[-1]) | ({"log": log} if log else {})


def _read(file) -> str:
    file.seek(0)
    return file.read().strip()


def cell(name: str, case: Case, precision: str, problem: Path, patience: float = PATIENCE) -> dict:
    """What one contender showed."""
    settings = json.dumps({**asdict(case), "precision": precision, "problem": str(problem)})
    return answer("gpu_contenders.py", name, said=settings + "\n", patience=patience)


def flops(case: Case) -> int:
    """Floating-point operations of a step's matrix products: two of each layer backwards, but one of the first."""
    sizes = [m * n for m, n in case.layers]
    return 2 * case.batch * (3 * sum(sizes) - sizes[0])


def line(name: str, case: Case, found: dict, own: dict) -> str:
    if "missing" in found:
        return f"  {name:42}{found['missing'].splitlines()[-1][:90]}"
    step = median(found["seconds"]) / case.steps
    ratio = f"{median(found['seconds']) / median(own['seconds']):.2f}" if "seconds" in own else ""
    return f"  {name:42}{1e6 * step:12,.1f}{flops(case) / step / 1e12:8.1f}{ratio:>8}  {found['note']}"


def disagrees(found: dict, own: dict, precision: str) -> bool:
    """Whether a loss after the same updates is not gpubp's."""
    if found.get("loss") is None or own.get("loss") is None:
        return False
    return not abs(found["loss"] - own["loss"]) <= TOLERANCE[precision] * abs(own["loss"])


def at_once(case: Case) -> tuple[str, ...]:
    """Who is measured first: of networks narrow enough to be one kernel, also what the others are."""
    narrow = case.widths[0] <= WIDEST_INPUT and max(case.widths[1:]) <= WIDEST
    return (*AT_ONCE, BY_MANY_KERNELS) if narrow else AT_ONCE


def plan(full: bool, precisions: list[str]) -> list[Cell]:
    """All cells, the most telling first: in the first precision gpubp beside who needs no tuning, then its parts."""
    first, others = precisions[:1], precisions[1:]
    stages = [
        *((first, [case], at_once(case)) for case in CASES),
        (first, CASES[:1], OWN_PARTS),
        (first, LARGER_THAN_MEMORY[:1], STREAMED),
        (first, CASES, TUNED),
        *((others, [case], at_once(case)) for case in CASES),
        (others, CASES, TUNED),
    ]
    if full:
        stages += [
            (precisions, LARGER_THAN_MEMORY, STREAMED),
            (precisions, CASES[:3], tuple(PARTS)),
            *((precisions, [case], (*at_once(case), *TUNED)) for case in GRID),
        ]
    cells = [(p, case, name) for ps, cases, names in stages for p in ps for case in cases for name in names]
    return list(dict.fromkeys(cells))


def chosen(options) -> list[Cell]:
    """What was asked for: the plan, or certain contenders in all cases, gpubp always and first."""
    cells = plan(options.full, options.precisions)
    if options.contenders:
        names = dict.fromkeys(["gpubp", *options.contenders])
        cases = CASES + (GRID if options.full else [])
        cells = [(precision, case, name) for precision in options.precisions for case in cases for name in names]
    return [cell for cell in cells if not options.cases or cell[1].name in options.cases]


class Run:
    """A run of cells, whose report is written anew after each.

    Arguments:
        file: where to. None for nowhere.
        budget: seconds after which no cell begins, and none goes on. Default None, as long as it takes.
    """

    def __init__(self, file: Path | None, budget: float | None = None):
        self.file = file
        self.end = time.monotonic() + budget if budget else float("inf")
        date = datetime.now(UTC).isoformat(timespec="seconds")
        self.report: dict = {"date": date, "machine": machine(), "gpu": gpu(), "cells": []}
        self.own: dict = {}  # what gpubp showed, by precision and case
        self.status = 0

    def ceilings(self):
        """What the GPU can do at most."""
        found = self.report["ceilings"] = answer("gpu_ceilings.py")
        print("ceilings:", found["missing"].splitlines()[-1] if "missing" in found else json.dumps(found), flush=True)
        self._write()

    def cells(self, cells: list[Cell]):
        """All of them, as long as there is time; neighbours with the same case share its data."""
        before, file = None, None
        with TemporaryDirectory(prefix="gpubp-bench-") as folder:
            for k, (precision, case, name) in enumerate(cells):
                if time.monotonic() > self.end - LEAST:
                    print(f"no time is left for {len(cells) - k} of {len(cells)} cells")
                    return
                if before is None or before[1] != case:
                    file = Path(folder, "problem.npz")
                    random_problem(case).save(file)
                if before != (precision, case):
                    print(f"{case.name}, {precision}: µs a step, TFLOP/s, and times gpubp's", flush=True)
                before = precision, case
                self._measure(precision, case, name, file)

    def _measure(self, precision: str, case: Case, name: str, problem: Path):
        found = cell(name, case, precision, problem, min(PATIENCE, self.end - time.monotonic()))
        own = self.own.setdefault((precision, case), found if name == "gpubp" else {})
        other = not case.dropout and disagrees(found, own, precision)  # whose masks are others
        self.status |= (other and name in CONTENDERS) or (name == "gpubp" and "missing" in found)
        print(line(name, case, found, own) + ("  NOT THE SAME WORK" if other else ""), flush=True)
        self.report["cells"].append(
            {**asdict(case), "precision": precision, "contender": name, "disagrees": other, **found}
        )
        self._write()

    def _write(self):
        """In one go: whoever ends this program leaves a whole file."""
        if self.file:
            new = self.file.with_name(self.file.name + ".new")
            new.write_text(json.dumps(self.report, indent=1))
            new.replace(self.file)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write machine, GPU, versions, date and raw samples to")
    parser.add_argument("--budget", type=float, metavar="SECONDS", help="after which no cell begins (default none)")
    parser.add_argument("--full", action="store_true", help="many more shapes, and what single parts bring")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS[:-1]))
    parser.add_argument("--cases", nargs="+", metavar="NAME", help="those alone, such as '784-512-512-10, 128'")
    parser.add_argument("--contenders", nargs="+", choices=[*CONTENDERS, *PARTS], metavar="NAME")
    options = parser.parse_args(arguments)
    known = {case.name for _, case, _ in plan(options.full, options.precisions)}
    if unknown := set(options.cases or ()) - known:
        parser.error(f"there is no case {min(unknown)!r}; there are {sorted(known)}")
    run = Run(options.json, options.budget)
    run.ceilings()
    run.cells(chosen(options))
    return int(run.status)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the contender that is measured ends as well
    sys.exit(main())
