"""Training steps side by side: gpubp, JAX, PyTorch, scikit-learn and the matrix products alone, in one run.

    python bench/throughput.py --cases 2-4-2 64-100-10 --budget 20 --json results.json

Each contender trains in a process of its own with one thread, and they take turns: a round is one epoch of each, from
the same weights, through the same batches. README.md beside this file says what the figures mean.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

from contenders import CONTENDERS, Case

CASES = [
    Case((2, 4, 2), batch=4, steps=4096),
    Case((64, 100, 10), batch=200, steps=64),
    Case((32, 256, 256, 2), batch=256, steps=16),
    Case((784, 512, 512, 10), batch=128, steps=8),
]
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}
ON_CPU = {"JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": ""}
TUNING = ("OPENBLAS_", "OMP_", "MKL_")  # what the caller has set; without it each library chooses its own kernels
ROUNDS = range(5, 201)
TOLERANCE = 1e-3  # of mean losses of an epoch, relative: float32 sums in different orders, over up to 4,096 updates


@dataclass
class Timed:
    """What one contender showed: seconds a step in each round, and the mean loss of its epoch."""

    note: str
    versions: dict[str, str]
    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    loss: float | None = None


def environment() -> dict[str, str]:
    """That of the contenders: the caller's, but for what chooses kernels, threads and devices."""
    return {k: v for k, v in os.environ.items() if not k.startswith(TUNING)} | ONE_THREAD | ON_CPU


class Process:
    """A contender in a process of its own."""

    def __init__(self, name: str, case: Case):
        self.process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("contenders.py"), name],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.name, self.case = name, case
        self.start = self.ask(asdict(case))

    def ask(self, what) -> dict:
        """Its answer. Raises RuntimeError if it has died, of what it has written to standard error."""
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process of {self.name} for {self.case.name} has ended; its error is above")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def measure(case: Case, names: list[str], budget: float) -> tuple[dict[str, Timed], dict[str, str]]:
    """What the contenders showed in about `budget` seconds of rounds, and those left out with the reason."""
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(name, case)) for name in names]
        missing = {p.name: p.start["missing"] for p in processes if "missing" in p.start}
        present = [p for p in processes if p.name not in missing]
        round_seconds = 2 * sum(p.start["warm"]["seconds"] for p in present)  # each epoch goes once before, untimed
        timed = {p.name: Timed(p.start["note"], p.start["versions"]) for p in present}
        for _ in range(min(max(int(budget / round_seconds), ROUNDS.start), ROUNDS.stop - 1)):
            for p in present:
                add(timed[p.name], p.ask("epoch"), case)
    return timed, missing


def add(timed: Timed, answer: dict, case: Case):
    timed.seconds.append(answer["seconds"] / case.steps)
    timed.processor.append(answer["processor"] / case.steps)
    timed.loss = answer["loss"]


def ratio(timed: Timed, other: Timed, clock: str = "seconds") -> float:
    """The time of one over that of another by a clock, "seconds" or "processor": the median of the rounds' ratios."""
    return median(a / b for a, b in zip(getattr(timed, clock), getattr(other, clock), strict=True))


def disagreeing(results: dict[str, Timed]) -> list[str]:
    """Contenders whose loss after the same updates is not gpubp's."""
    own = results["gpubp"].loss
    return [name for name, t in results.items() if t.loss is not None and not abs(t.loss - own) <= TOLERANCE * own]


def table(case: Case, results: dict[str, Timed]) -> str:
    lines = [
        f"{case.name}, batch {case.batch}: {case.steps} updates a round, {len(results['gpubp'].seconds)} rounds",
        f"  {'':14}{'wall µs':>12}{'spread':>9}{'ratio':>9}{'processor µs':>16}{'ratio':>9}{'loss':>10}",
    ]
    for name, t in results.items():
        low, wall, high = quantiles(t.seconds, n=4)
        by_wall, by_processor = (ratio(t, results["gpubp"], clock) for clock in ("seconds", "processor"))
        loss = "" if t.loss is None else f"{t.loss:.5f}"
        lines.append(
            f"  {name:14}{1e6 * wall:12,.2f}{(high - low) / wall:9.0%}{by_wall:9.2f}"
            f"{1e6 * median(t.processor):16,.2f}{by_processor:9.2f}{loss:>10}  {t.note}"
        )
    if "JAX" in results:
        wall, processor = (ratio(results["gpubp"], results["JAX"], clock) for clock in ("seconds", "processor"))
        lines.append(f"  gpubp takes {wall:.3f} of the wall time of JAX, {processor:.3f} of its processor time")
    return "\n".join(lines)


def machine() -> dict:
    """What the figures depend on besides the code."""
    model = platform.processor()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line.split(":")[1].strip() for line in information.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": sys.version.split()[0],
    }


def run(cases: list[Case], names: list[str], budget: float) -> dict:
    """Measures and prints case by case; returns all figures, as JSON knows them."""
    report = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "cases": []}
    for case in cases:
        results, missing = measure(case, names, budget)
        print(table(case, results))
        for name, why in missing.items():
            print(f"  {name} is left out: {why}")
        wrong = disagreeing(results)
        if wrong:
            print(f"  NOT THE SAME WORK: the loss of {', '.join(wrong)} is not that of gpubp")
        print(flush=True)
        timed = {name: asdict(t) for name, t in results.items()}
        report["cases"].append({**asdict(case), "contenders": timed, "left_out": missing, "disagreeing": wrong})
    return report


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 1 if a contender did other work than gpubp."""
    known = {case.name: case for case in CASES}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=known, default=list(known), metavar="CASE", help=", ".join(known))
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS), metavar="NAME")
    parser.add_argument("--budget", type=float, default=30, help="seconds of measuring a case (default 30)")
    parser.add_argument("--json", type=Path, help="file to write machine, versions, date and raw samples to")
    options = parser.parse_args(arguments)
    names = list(dict.fromkeys(["gpubp", *options.contenders]))  # all others are compared with gpubp
    report = run([known[name] for name in options.cases], names, options.budget)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))
    return int(any(case["disagreeing"] for case in report["cases"]))


if __name__ == "__main__":
    sys.exit(main())
