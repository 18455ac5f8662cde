"""A guard against regressions that times nothing: what each case's plan consists of, recorded and compared.

`python -m gpubp.bench.plans bench/plans.json` records it anew, after a change that is meant to change it.
"""

import json
import sys
from pathlib import Path

from gpubp.bench.case import Case
from gpubp.bench.contenders.own import Gpubp
from gpubp.bench.families import PLAIN, UNUSUAL
from gpubp.bench.problems import random_problem
from gpubp.engine.explain.costs import flops, traffic
from gpubp.training.intake import rows_for

CASES = [*PLAIN, *UNUSUAL]
EPOCH, STEP_SECONDS = 1000, 0.001  # of the epoch whose compiled calls are counted, and of each of its steps
MARGIN = 0.02  # relative, of bytes and operations; instructions and calls are counted exactly
EXACT = ("instructions", "launches")


def figures(case: Case) -> dict[str, int]:
    """What the plan of a step holds.

    `instructions`: of a step; `launches`: compiled calls of an epoch of 1,000 steps of 1 ms; `flops` and `bytes_moved`:
    of a step, as `explain` counts them; `arena_bytes`: of all segments of the program's own memory, `work_bytes`: of
    what is planned by lifetime.
    """
    own = Gpubp(case, random_problem(case))
    runner = own.model._training_runner(rows_for(own.model, own.problem.x, own.problem.y, fitting=True), case.batch)
    program = runner.program
    code = [(part, i) for part in program.parts for i in part.code]
    return {
        "instructions": len(code),
        "launches": launches(runner),
        "flops": sum(flops(i, case.batch) for _, i in code),
        "bytes_moved": sum(traffic(part, i, case.batch) for part, i in code),
        "arena_bytes": sum(program.layout.sizes.values()),
        "work_bytes": program.layout.sizes["work"],
    }


def launches(runner) -> int:
    """The compiled calls of an epoch, if steps took as long as is assumed; nothing runs."""
    calls = []

    def run(rows, steps, parts, where):
        calls.append(steps)
        return steps * STEP_SECONDS

    runner.run = run
    runner.walk(EPOCH * runner.batch_size, str)
    assert sum(calls) == EPOCH
    return len(calls)


def changes(recorded: dict[str, int], found: dict[str, int]) -> list[str]:
    """What differs by more than its margin, for worse or for better: a record that is too loose guards nothing.

    >>> changes({"instructions": 12, "bytes_moved": 1000}, {"instructions": 13, "bytes_moved": 1001})
    ['instructions: 12 recorded, 13 found']
    """
    return [
        f"{name}: {recorded.get(name, 0):,} recorded, {value:,} found"
        for name, value in found.items()
        if abs(value - recorded.get(name, 0)) > (0 if name in EXACT else MARGIN) * recorded.get(name, 0)
    ]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps({case.name: figures(case) for case in CASES}, indent=1) + "\n")
