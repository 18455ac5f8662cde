"""The cells of all families, each with what it is worth: what is judged most is measured first."""

from collections.abc import Iterator
from dataclasses import replace

from gpubp.backend.threads import processors
from gpubp.bench.case import Case
from gpubp.bench.cells import Cell

SMALL, DIGITS = Case((2, 4, 2), 4, 4096), Case((64, 100, 10), 200, 128)
TABLE, MNIST = Case((32, 256, 256, 2), 256, 64), Case((784, 512, 512, 10), 128, 32)
LARGE = Case((1024, 2048, 2048, 2048, 1000), 512, 1)
DIAMONDS = Case((26, *5 * [96], 1), 512, 64)  # a published net for tables; the columns of Diamonds, categories one-hot
PLAIN = [SMALL, DIGITS, TABLE, MNIST, replace(MNIST, batch=1024, steps=8), LARGE, DIAMONDS]
MIDDLE = [DIGITS, TABLE, MNIST]
UNUSUAL = [
    replace(case, **what) for what in ({"dropout": 0.3}, {"batch_norm": True}, {"optimizer": "sgd"}) for case in MIDDLE
]
DIGITS_FIT = replace(DIGITS, steps=7)
ADULT = Case((108, 100, 2), 200, 162)
DIGITS_EPOCH = Case((64, 100, 10), 32, 56)  # as many rows as the digits of scikit-learn have, by the default batch

LOOPS = ("gpubp", "JAX lax.scan", "JAX jit", "PyTorch", "PyTorch compiled", "scikit-learn", "NumPy")
FEW = ("gpubp", "JAX lax.scan", "PyTorch")
FLOOR = "products"
GROWING = Case((64, 256, 256, 10), 128, 32)
BATCHES, WIDTHS, DEPTHS = (16, 64, 256, 1024, 4096), (32, 128, 512, 2048), (1, 2, 4, 8, 16)
ROWS = (1_000, 10_000, 100_000)
THREADED, THREADS = Case((784, 1024, 1024, 10), 1024, 4), (1, 2, 4, 8, 16, 32, 64)


def steps(threads: int) -> Iterator[Cell]:
    """Training steps: the cases that are judged, then variations of the middle ones."""
    more = 0 if threads == 1 else 50  # further threads are worth less
    for k, case in enumerate(PLAIN):
        yield Cell("step", case.name, 100 - k - more, "step", case, (*LOOPS, FLOOR), threads=threads, per=case.steps)
    for case in UNUSUAL:
        yield Cell("step", case.name, 70 - more, "step", case, (*LOOPS, FLOOR), threads=threads, per=case.steps)


def predictions(threads: int) -> Iterator[Cell]:
    """The latency of one row, the throughput of 100,000."""
    who = ("gpubp", "PyTorch", "PyTorch compiled", "JAX jit", "ONNX Runtime", "scikit-learn", "NumPy")
    for case, value in ((MNIST, 86), (DIGITS, 85)):
        one = replace(case, batch=1, steps=1)
        who_one = (*who, "gpubp predict_on_batch")
        yield _predicted(f"{net(case)}, 1 row", value, one, who_one, {"rows": 1, "calls": 200}, threads)
    many = replace(DIGITS, batch=1000, steps=100)
    yield _predicted(f"{net(DIGITS)}, 100,000 rows", 84, many, who, {"rows": 100_000, "calls": 1}, threads)


def _predicted(name, value, case, who, options, threads) -> Cell:
    return Cell("predict", name, value, "predict", case, who, threads=threads, options=options)


def fits(threads: int) -> Iterator[Cell]:
    """Seconds to a test score on real data; and the estimators as they are, for a number of epochs."""
    who = ("gpubp", "scikit-learn", "PyTorch", "PyTorch DataLoader", "JAX lax.scan")
    for dataset, case, value, target, epochs, seconds in (
        ("digits", DIGITS_FIT, 83, 0.96, 200, 10),
        ("mnist", replace(MNIST, steps=468), 82, 0.98, 30, 150),
        ("adult", ADULT, 76, 0.855, 30, 20),
        ("diamonds", replace(DIAMONDS, steps=84), 75, 0.97, 50, 40),
    ):
        name = f"{dataset} to {target}, {case.name}"
        options = {"epochs": epochs, "target": target}
        yield Cell("fit", name, value, "fit", case, who, seconds, threads, options, dataset, repeats=1)
    estimators = ("gpubp.sklearn", "scikit-learn fit")
    for dataset, case in (("digits", DIGITS_FIT), ("adult", ADULT)):
        for dtype in ("float32", "float64"):
            name, case = f"{dataset}, scikit-learn's defaults, {dtype}", replace(case, dtype=dtype)
            yield Cell("estimator", name, 80, "step", case, estimators, threads=threads, dataset=dataset)


def processes(threads: int) -> Iterator[Cell]:
    """Start-up and memory: whole processes, from the interpreter's start on."""
    who = ("gpubp", "PyTorch", "JAX lax.scan", "scikit-learn", "NumPy")
    yield Cell("start-up", "digits' shape, warm cache", 79, "stages", DIGITS_EPOCH, who, 30, threads)
    yield Cell("memory", LARGE.name, 78, "stages", LARGE, who, 40, threads, repeats=2)
    yield Cell("memory", MNIST.name, 60, "stages", MNIST, who, 20, threads, repeats=2)
    compilers = ("gpubp", "PyTorch", "PyTorch compiled", "JAX lax.scan")
    yield Cell("start-up", "digits' shape, cold cache", 55, "stages", DIGITS_EPOCH, compilers, 60, threads, cold=True)


def sizes(threads: int) -> Iterator[Cell]:
    """The installed files of each library with what it requires: nothing runs."""
    yield Cell("size", "installed", 90, "size", SMALL, (), 1, threads)


def rooflines(threads: int) -> Iterator[Cell]:
    """Each instruction of gpubp's step, beside its floor."""
    for k, case in enumerate((MNIST, DIGITS, TABLE, LARGE)):
        value = 77 - 2 * k
        yield Cell("instructions", case.name, value, "instructions", case, ("gpubp",), 3, threads, repeats=1)


def growth(threads: int) -> Iterator[Cell]:
    """The time of a step, of rows that of an epoch, and the memory as each of them grows alone; the time by threads."""
    grown = [("batch", b, replace(GROWING, batch=b, steps=max(2, GROWING.rows // b))) for b in BATCHES]
    grown += [("width", w, replace(GROWING, widths=(64, w, w, 10))) for w in WIDTHS]
    grown += [("depth", d, replace(GROWING, widths=(64, *d * [256], 10))) for d in DEPTHS]
    for axis, to, case in grown:
        name, way = f"{axis} {to:,}", (axis, to)
        yield Cell("growth", name, 40, "step", case, FEW, 3, threads, axis=way, per=case.steps)
        yield Cell("growth of memory", name, 20, "stages", case, FEW, 5, threads, axis=way, repeats=1)
    for rows in ROWS:
        case = replace(DIGITS, steps=rows // DIGITS.batch)
        yield Cell("growth", f"rows {rows:,}", 35, "step", case, FEW, 3, threads, axis=("rows", rows))
    for n in THREADS:
        if n <= processors():
            way, per = ("threads", n), THREADED.steps
            yield Cell("growth", f"threads {n}", 38, "step", THREADED, (*FEW, FLOOR), 5, n, axis=way, per=per)


FAMILIES = (steps, predictions, fits, processes, sizes, rooflines, growth)


def cells(threads: list[int]) -> list[Cell]:
    """All cells, the most valuable first; with more threads than the first number the steps alone."""
    found = [cell for family in FAMILIES for cell in family(threads[0])]
    found += [cell for more in threads[1:] for cell in steps(more)]
    return sorted(found, key=lambda cell: -cell.value)


def net(case: Case) -> str:
    """The widths alone."""
    return case.name.split(",")[0]


NAMES = tuple(dict.fromkeys(cell.family for family in FAMILIES for cell in family(1)))
