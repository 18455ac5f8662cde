"""Kernels to look at: those of models of many kinds, and those of every op."""

from functools import cache

import numpy as np

import gpubp
from gpubp.engine import functions
from gpubp.engine.executors.lower_cuda import Call, lowered
from gpubp.kernels.cuda import source
from gpubp.training.intake import rows_for

from ..engine.test_ops import CASES, drawn

BATCHES = (16, 5)


def of_program(program, rows) -> dict[str, Call]:
    """The kernels of a program, by name."""
    groups, _ = lowered(program, rows, None)
    return {call.name: call for group in groups for call in group if isinstance(call, Call)}


def of_models() -> dict[str, Call]:
    """Training and reading, of all the models that are trained in tests."""
    from .test_training import CASES as MODELS
    from .test_training import X

    found = {}
    for make, targets in MODELS.values():
        model = make()
        rows = rows_for(model, X, targets)
        model._training_runner(rows, max(BATCHES))
        with model._borrowed("evaluate", rows.sources(), max(BATCHES)):
            pass
        programs = [runner.program for runners in model._runners.values() for runner in runners]
        for program in programs:
            for batch in BATCHES:
                found |= of_program(program, batch)
    return found


def of_ops() -> dict[str, Call]:
    """Every op by itself, on the examples of its tests."""
    found = {}
    for dtype in (np.float32, np.float64):
        calls = [(c.values[0], drawn(*c.values[:2], dtype), c.values[2]) for c in CASES]

        def function(*given, calls=calls):
            left = iter(given)
            return [op(*(next(left) for _ in inputs), **attrs) for op, inputs, attrs in calls]

        compiled, *_ = functions._record(function, [a for _, inputs, _ in calls for a in inputs], "auto")
        found |= of_program(compiled.program, 1)
    return found


@cache
def corpus() -> dict[str, Call]:
    with gpubp.device("cpu"):
        return of_models() | of_ops()


def text(calls) -> str:
    """One source of all."""
    return source.compose([call.family for call in calls if call.family], [call.text for call in calls])
