"""Made-up results of all families."""

from dataclasses import asdict
from typing import Any

from gpubp.bench.results import Result
from gpubp.bench.suite import Run, Settings

from .problems import TINY


def made_up() -> dict[str, Any]:
    """A document as a run leaves it."""
    document = Run(Settings()).document
    document["cells"] = [
        cell("step", "3-5-4, 8", times(gpubp=0.016, PyTorch=0.048, products=0.008), per=16, disagreeing=["PyTorch"]),
        cell("predict", "3-5-4, 1 row", times(gpubp=1e-5, PyTorch=2e-5), left_out={"JAX jit": "no JAX here"}),
        cell("fit", "digits to 0.9, 3-5-4, 8", fits(), options={"epochs": 2, "target": 0.9}),
        cell(
            "start-up",
            "digits' shape",
            {
                "gpubp": Result(samples={"import_seconds": [0.2], "first_epoch_seconds": [0.5]}),
                "PyTorch": Result(samples={"import_seconds": [1.0], "first_epoch_seconds": [2.0]}),
            },
        ),
        cell("memory", "3-5-4, 8", {"gpubp": memory(1e6, 2e6, 5e7), "PyTorch": memory(3e6, 4e6, 9e7)}),
        cell("size", "installed", {"gpubp": size(4.5e8), "torch": size(8.7e8)}),
        cell("instructions", "3-5-4, 8", {"gpubp": Result(details={"explanation": explanation()})}),
    ]
    for batch in (1, 2, 4, 8):
        name, axis = f"batch {batch}", ("batch", batch)
        document["cells"] += [
            cell("growth", name, times(gpubp=0.001 * batch**2), axis=axis),
            cell("growth of memory", name, {"gpubp": memory(1e6 * batch, 1e6, 1e7)}, axis=axis),
        ]
    document["dropped"], document["failed"] = ["growth: depth 2"], {"fit: mnist": "no network"}
    return document


def cell(family, name, results, **different):
    usual = {"task": "step", "threads": 1, "options": {}, "dataset": None, "axis": None, "cold": False, "per": 1}
    contenders = {name: asdict(result) for name, result in results.items()}
    shown = {"case": asdict(TINY), "contenders": contenders, "left_out": {}, "disagreeing": []}
    return {"family": family, "name": name} | usual | shown | different


def times(**seconds):
    """Three rounds, the middle one as given."""
    return {
        name: Result("", {"numpy": "2.0"}, {clock: [0.5 * s, s, 2 * s] for clock in ("seconds", "processor")})
        for name, s in seconds.items()
    }


def memory(training, predicting, process):
    named = {"training_bytes": training, "predicting_bytes": predicting, "process_bytes": process}
    return Result(samples={name: [value] for name, value in named.items()})


def size(n):
    return Result(samples={"bytes": [n]})


def fits():
    """One that reaches the score, one that does not."""
    return {
        "gpubp": Result(samples={"seconds": [2.0]}, details={"curve": [(1.0, 0.8), (2.0, 0.95)]}),
        "PyTorch": Result(details={"curve": [(1.5, 0.6), (3.0, 0.7)]}),
    }


def explanation():
    product = {"flops": 2000, "bytes": 1000, "seconds": 4e-6, "floor": 3e-6, "share": 0.7}
    other = {"flops": 1000, "bytes": 1000, "seconds": 2e-6, "floor": 1e-6, "share": 0.3}
    return {
        "rates": {"products": 1e9, "copies": 1e9},
        "instructions": [product, other],
        "total": {"flops": 3000, "bytes": 2000, "floor": 4e-6},
        "step_seconds": 6e-6,
    }
