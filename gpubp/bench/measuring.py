"""How cells are measured: in turns, one after the other, or as whole processes from their start on."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from gpubp.bench import sizes
from gpubp.bench.cells import Cell
from gpubp.bench.problems import random_problem, real_problem
from gpubp.bench.process import Process
from gpubp.bench.results import Result

ROUNDS = range(3, 201)
Found = tuple[dict[str, Result], dict[str, str]]  # results, and who is left out with the reason


def measure(cell: Cell, stretch: float = 1.0) -> Found:
    """What the contenders of a cell show in about its seconds, times `stretch`.

    Raises OSError, ImportError: if its data can't be had; RuntimeError: if a contender died.
    """
    with TemporaryDirectory(prefix="gpubp-bench-") as folder:
        file = Path(folder, "problem.npz")
        if cell.task != "size":
            (real_problem(cell.case, cell.dataset) if cell.dataset else random_problem(cell.case)).save(file)
        return WAYS[cell.task](cell, file, stretch * cell.seconds)


def begin(cell: Cell, contender: str, file: Path) -> Process:
    return Process(contender, cell.task, cell.case, file, cell.threads, cell.cold, **cell.options)


def in_turns(cell: Cell, file: Path, seconds: float) -> Found:
    """Rounds: a sample of each, again and again."""
    with ExitStack() as stack:
        processes = {name: stack.enter_context(begin(cell, name, file)) for name in cell.contenders}
        missing = {name: p.missing for name, p in processes.items() if p.missing}
        present = {name: p for name, p in processes.items() if not p.missing}
        results = {n: Result(p.start["note"], p.start["versions"]) for n, p in present.items()}
        round_seconds = sum(p.start["warm"] for p in present.values()) or seconds
        for _ in range(min(max(int(seconds / round_seconds), ROUNDS.start), ROUNDS.stop - 1)):
            for name, process in present.items():
                answer = process.ask()
                results[name].loss = answer.pop("loss")
                results[name].add(**answer)
    return results, missing


def one_by_one(cell: Cell, file: Path, _) -> Found:
    """A process of each, which answers once."""
    results, missing = {}, {}
    for name in cell.contenders:
        with begin(cell, name, file) as process:
            if process.missing:
                missing[name] = process.missing
                continue
            answer = dict(process.start)
            results[name] = Result(answer.pop("note"), answer.pop("versions"))
            results[name].add(seconds=answer.pop("seconds", None))
            results[name].details = answer
    return results, missing


def whole(cell: Cell, file: Path, _) -> Found:
    """Processes from their start to their end, in turns; with warm caches one goes before, unmeasured."""
    results: dict[str, Result] = {}
    missing: dict[str, str] = {}
    for turn in range(cell.repeats + (not cell.cold)):
        for name in cell.contenders:
            if name in missing:
                continue
            why, told, values = _life(cell, name, file)
            if why:
                missing[name] = why
            else:
                result = results.setdefault(name, Result(told["note"], told["versions"]))
                if cell.cold or turn:
                    result.add(**values)
    return results, missing


def _life(cell: Cell, name: str, file: Path) -> tuple[str | None, dict, dict[str, float | None]]:
    """Why a contender takes no part, what it tells of itself, and the seconds and bytes of its process.

    Bytes of training and predicting are peaks above what is resident after the imports and the reading of the data.
    """
    clock = Pausable()
    with begin(cell, name, file) as process:
        if process.missing:
            return process.missing, {}, {}
        values: dict[str, float | None] = {"import_seconds": clock.pause()}
        imported = process.memory()
        told = clock.during(process.ask)
        if "missing" in told:
            return told["missing"], {}, {}
        values["first_epoch_seconds"] = clock.spent
        trained = process.memory()
        process.ask()
        predicted = process.memory()
    if imported and trained and predicted:
        values["imported_bytes"], values["process_bytes"] = imported[0], max(imported[1], trained[1], predicted[1])
        values["training_bytes"], values["predicting_bytes"] = (peak - imported[0] for _, peak in (trained, predicted))
    return None, told, values


class Pausable:
    """A clock that runs from its making on, and can stand still."""

    def __init__(self):
        self.spent, self._begun = 0.0, time.perf_counter()

    def pause(self) -> float:
        self.spent += time.perf_counter() - self._begun
        return self.spent

    def during(self, work: Callable[[], dict]) -> dict:
        """The answer of what it runs for."""
        self._begun = time.perf_counter()
        answer = work()
        self.pause()
        return answer


def installed(*_) -> Found:
    """The bytes of each library's packages."""
    results, missing = {}, {}
    for library in sizes.LIBRARIES:
        found = sizes.size(library)
        if found is None:
            missing[library] = "it is not installed"
            continue
        results[library] = Result("with all that it requires", details={"packages": found})
        results[library].add(bytes=sum(found.values()))
    return results, missing


WAYS = {
    "step": in_turns,
    "predict": in_turns,
    "fit": one_by_one,
    "instructions": one_by_one,
    "stages": whole,
    "size": installed,
}
