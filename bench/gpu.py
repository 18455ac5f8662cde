"""Training steps on a GPU side by side: gpubp, PyTorch in three ways, JAX, and the matrix products alone.

    python bench/gpu.py --json gpu.json          # some minutes
    python bench/gpu.py --json gpu.json --full   # many more shapes and variants: hours

The file is written anew after each cell, the most telling cells first, so that a run cut short leaves what it has
measured. Exits with 1 if a contender did other work than gpubp, or gpubp could not run.
"""

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from gpu_contenders import CONTENDERS, PARTS

from gpubp.bench.case import Case
from gpubp.bench.machine import machine
from gpubp.engine.narrow import WIDEST, WIDEST_INPUT

SIDE_BY_SIDE = tuple(name for name in CONTENDERS if name != "gpubp, streamed")
STREAMED = ("gpubp", "gpubp, streamed")
BY_MANY_KERNELS = "gpubp, plain"  # beside narrow networks, which are one kernel else
CASES = [
    Case((784, 512, 512, 10), batch=128, steps=256),
    Case((64, 100, 10), batch=200, steps=512),
    Case((784, 512, 512, 10), batch=1024, steps=128),
    Case((2, 4, 2), batch=4, steps=1024),
    Case((32, 256, 256, 2), batch=256, steps=512),
    Case((4096, 4096, 4096, 4096, 4096), batch=8192, steps=8),
    Case((64, 64, 64, 64, 64, 16), batch=1 << 18, steps=8, mse=True),
]
LARGER_THAN_MEMORY = [  # with as many blocks as it takes to tell how fast they come
    Case((784, 512, 512, 10), batch=1024, steps=768),
    Case((4096, 4096, 4096, 4096, 4096), batch=8192, steps=32),
]


def _narrow(width: int, hidden: int, batch: int) -> Case:
    return Case((64, *[width] * hidden, 16), batch, max(8, (1 << 21) // batch), mse=True)


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
PATIENCE = 240  # seconds for a cell
CLOCKS = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.sm,clocks.mem,power.limit", "--format=csv,noheader"]


def gpu() -> str | None:
    """Name, driver and clocks; None where no driver answers."""
    try:
        return subprocess.run(CLOCKS, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def cell(name: str, case: Case, precision: str) -> dict:
    """What one contender showed, in a process of its own."""
    settings = json.dumps({**asdict(case), "precision": precision})
    command = [sys.executable, str(Path(__file__).with_name("gpu_contenders.py")), name]
    try:
        done = subprocess.run(command, input=settings + "\n", capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return {"missing": f"took more than {PATIENCE} s"}
    lines = done.stdout.strip().splitlines()
    return json.loads(lines[-1]) if lines and not done.returncode else {"missing": done.stderr.strip()[-2000:]}


def line(name: str, case: Case, found: dict, own: dict) -> str:
    if "missing" in found:
        return f"  {name:28}{'':>12}  {found['missing'].splitlines()[-1][:80] if found['missing'] else 'no answer'}"
    step = 1e6 * median(found["seconds"]) / case.steps
    ratio = f"{median(found['seconds']) / median(own['seconds']):6.2f}" if "seconds" in own else ""
    return f"  {name:28}{step:12,.1f}{ratio:>8}  {found['note']}"


def disagrees(found: dict, own: dict, precision: str) -> bool:
    """Whether a loss after the same updates is not gpubp's."""
    if found.get("loss") is None or own.get("loss") is None:
        return False
    return not abs(found["loss"] - own["loss"]) <= TOLERANCE[precision] * abs(own["loss"])


def side_by_side(case: Case) -> tuple[str, ...]:
    """Who is measured in a case: of networks narrow enough to be one kernel, also what the others are."""
    narrow = case.widths[0] <= WIDEST_INPUT and max(case.widths[1:]) <= WIDEST
    return (*SIDE_BY_SIDE, BY_MANY_KERNELS) if narrow else SIDE_BY_SIDE


def plan(full: bool, cases: int | None, contenders: list[str] | None) -> list[tuple[Case, tuple[str, ...]]]:
    """Each case with who is measured in it; gpubp always is, and first."""
    found = [(case, side_by_side(case)) for case in CASES] + [(LARGER_THAN_MEMORY[0], STREAMED)]
    if full:
        found += [(case, STREAMED) for case in LARGER_THAN_MEMORY[1:]]
        found += [(case, ("gpubp", *PARTS)) for case in CASES[:3]]
        found += [(case, side_by_side(case)) for case in GRID]
    chosen = [(case, tuple(n for n in names if contenders is None or n in contenders)) for case, names in found[:cases]]
    return [(case, tuple(dict.fromkeys(["gpubp", *names]))) for case, names in chosen]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="file to write machine, GPU, versions, date and raw samples to")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS[:-1]))
    parser.add_argument("--full", action="store_true", help="many more shapes, and what single parts bring")
    parser.add_argument("--cases", type=int, help="how many, from the first (default all)")
    parser.add_argument("--contenders", nargs="+", choices=[*CONTENDERS, *PARTS], metavar="NAME")
    options = parser.parse_args(arguments)
    date = datetime.now(UTC).isoformat(timespec="seconds")
    report: dict = {"date": date, "machine": machine(), "gpu": gpu(), "cells": []}
    status = 0
    for precision in options.precisions:
        for case, names in plan(options.full, options.cases, options.contenders):
            print(f"{case.name}, {precision}: µs a step, and times gpubp's", flush=True)
            own: dict = {}
            for name in names:
                found = cell(name, case, precision)
                own = found if name == "gpubp" else own
                other = not case.dropout and disagrees(found, own, precision)  # whose masks are others
                status |= other or (name == "gpubp" and "missing" in found)
                print(line(name, case, found, own) + ("  NOT THE SAME WORK" if other else ""), flush=True)
                report["cells"].append(
                    {**asdict(case), "precision": precision, "contender": name, "disagrees": other, **found}
                )
                if options.json:
                    options.json.write_text(json.dumps(report, indent=1))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
