"""Who is timed on a GPU: the contenders of `gpubp bench`, moved there, and PyTorch's steps captured in a graph.

`python gpu_contenders.py NAME` reads a case as a line of JSON and answers with one: its samples, or why there are none.
All data lie on the GPU; gathering, loss and optimizer are counted for everyone; every sample ends in one wait for the
GPU. None of this has run on a GPU yet.
"""

import json
import os
import sys
import time
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

from gpu_own import Ungathered, graphs_of, launches_apart, no_epilogues, one_queue, own, plain, streamed

from gpubp.bench.case import Case, Problem
from gpubp.bench.contenders.base import UnableError
from gpubp.bench.contenders.products import Products
from gpubp.doctor.facts import CUPY, version

WARM = 0.5  # seconds of epochs before the first sample: clocks rise, choices are made
SECONDS, SAMPLES = 2.0, 7  # at least so long, and so often, is measured
CAPTURED = 8  # steps of PyTorch in a graph


def naive(case, problem, precision):
    """NumPy's step in CuPy's arrays, operation by operation: what people write by hand."""
    if precision not in ("float32", "tf32"):
        raise UnableError(f"this loop knows no {precision}")
    os.environ["CUPY_TF32"] = str(int(precision == "tf32"))  # read when CuPy is imported
    import cupy

    from gpubp.bench.contenders import plain_numpy

    class Naive(plain_numpy.PlainNumPy):
        packages = CUPY
        note = "CuPy, an array operation a line"

        def batches(self):
            return [self.order[k : k + case.batch] for k in range(0, case.rows, case.batch)]

    there = {k: cupy.asarray(getattr(problem, k)) for k in ("x", "y", "order")}
    return Naive(case, replace(problem, weights=[cupy.asarray(w) for w in problem.weights], **there))


def elsewhere(module: str, name: str, **options):
    """A contender of a module that imports its library, so that only who is asked for it does."""
    return lambda *given: getattr(import_module(module), name)(*given, **options)


by_torch, by_jax = partial(elsewhere, "gpu_torch"), partial(elsewhere, "gpu_jax")
CONTENDERS = {
    "gpubp": own,
    "PyTorch captured": by_torch("Captured", steps=CAPTURED),
    "products": partial(own, kind=Products, change=plain),
    "PyTorch": by_torch("OnGPU"),
    "PyTorch compiled, captured": by_torch("Captured", steps=CAPTURED, compiled=True),
    "JAX lax.scan": by_jax("Scan"),
    "PyTorch compiled": by_torch("Compiled"),
    "CuPy": naive,
    "gpubp, streamed": partial(own, change=streamed, there=False),
}
# What single parts bring, and other numbers of steps in a graph.
PARTS = {
    "gpubp, call by call": partial(own, change=graphs_of(0)),
    **{f"gpubp, graphs of {k}": partial(own, change=graphs_of(k)) for k in (1, 8, 32)},
    "gpubp, one queue": partial(own, change=one_queue),
    "gpubp, launches apart": partial(own, change=launches_apart),
    "gpubp, no epilogues": partial(own, change=no_epilogues),
    "gpubp, plain": partial(own, change=plain),
    "gpubp, nothing gathered": partial(own, kind=Ungathered),
    **{f"PyTorch captured, {k}": by_torch("Captured", steps=k) for k in (1, 32)},
    **{f"PyTorch compiled, captured, {k}": by_torch("Captured", steps=k, compiled=True) for k in (1, 32)},
    "PyTorch max-autotune": by_torch("Autotuned"),
    "PyTorch, all in bfloat16": by_torch("OnGPU", pure=True),
    "PyTorch captured, all in bfloat16": by_torch("Captured", steps=CAPTURED, pure=True),
    "PyTorch compiled, captured, all in bfloat16": by_torch("Captured", steps=CAPTURED, compiled=True, pure=True),
    **{f"JAX lax.scan, unrolled {k}": by_jax("Scan", unroll=k) for k in (1, 8, 32)},
    "JAX lax.scan, in graphs": by_jax("in_graphs"),
}


def measured(contender) -> dict:
    """Seconds of epochs, each from the initial weights, and the mean loss of the last (None: not compared)."""
    begun = time.perf_counter()
    contender.tune()
    tuned = time.perf_counter() - begun
    _epochs(contender, 2, WARM)
    seconds, loss = _epochs(contender, SAMPLES, SECONDS)
    versions = {package: version(package) for package in contender.packages}
    return {
        "seconds": seconds,
        "loss": None if loss is None else float(loss),
        "note": contender.note,
        "tuned": tuned,
        "versions": {package: number for package, number in versions.items() if number},
    }


def _epochs(contender, count: int, long: float) -> tuple[list[float], float | None]:
    """At least so many epochs, and for so long."""
    seconds: list[float] = []
    while len(seconds) < count or sum(seconds) < long:
        contender.reset()
        start = time.perf_counter()
        loss = contender.epoch()
        seconds.append(time.perf_counter() - start)
    return seconds, loss


def answer(name: str, settings: dict) -> dict:
    """What one contender showed, or why it takes no part."""
    precision, problem = settings.pop("precision"), Problem.load(Path(settings.pop("problem")))
    case = Case(**settings | {"widths": tuple(settings["widths"])})
    try:
        return measured((CONTENDERS | PARTS)[name](case, problem, precision))
    except (ImportError, UnableError) as error:
        return {"missing": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    print(json.dumps(answer(sys.argv[1], json.loads(sys.stdin.readline()))), flush=True)
