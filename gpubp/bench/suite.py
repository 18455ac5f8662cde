"""A run: cells in the order of their value, as many as fit into the budget, written down one by one."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gpubp.bench.cells import Cell
from gpubp.bench.contenders import LIBRARIES, OWN
from gpubp.bench.families import NAMES, cells
from gpubp.bench.machine import machine
from gpubp.bench.measuring import measure
from gpubp.bench.results import Result, disagreeing
from gpubp.bench.table import table

LONGEST = 5.0  # times its seconds a cell is measured at most, where there is time
FORMAT = 1


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Arguments:
        against: libraries. Default all.
        threads: numbers of threads; with the first all families are measured, with the others steps alone.
        budget: seconds of the whole run. Default 300.
        families: names. Default all.
        cases: parts of the names of cells, of which one at least has to fit. Default all.
        device: "cpu".

    Raises:
        ValueError: for unknown names, or numbers that are not positive.
    """

    against: tuple[str, ...] = tuple(LIBRARIES)
    threads: tuple[int, ...] = (1,)
    budget: float = 300.0
    families: tuple[str, ...] = NAMES
    cases: tuple[str, ...] = ()
    device: str = "cpu"

    def __post_init__(self):
        for what, given, known in (
            ("a library to measure against", self.against, tuple(LIBRARIES)),
            ("a family", self.families, NAMES),
            ("a device that the suite measures", (self.device,), ("cpu",)),
        ):
            for name in given:
                if name not in known:
                    raise ValueError(f"{name!r} is not {what}; there are {', '.join(known)}")
        if not self.threads or min(self.threads) < 1 or not self.budget > 0:
            raise ValueError(f"threads and budget must be positive; they are {self.threads} and {self.budget}")

    def cells(self) -> list[Cell]:
        """The cells that were asked for, each with those of its contenders that were."""
        names = {*OWN, *(name for library in self.against for name in LIBRARIES[library])}
        wanted = [c for c in cells(list(self.threads)) if c.family in self.families and self._named(c)]
        return [replace(c, contenders=tuple(n for n in c.contenders if n in names)) for c in wanted]

    def _named(self, cell: Cell) -> bool:
        return not self.cases or any(part in cell.name for part in self.cases)


class Run:
    """A run of the suite.

    Arguments:
        settings: what is measured.
        file: the JSON, written anew after each cell. Default none.
        say: what is done with lines for people. Default print.
    """

    def __init__(self, settings: Settings, file: Path | None = None, say: Callable[[str], None] = print):
        self.settings, self.file, self.say = settings, file, say
        self.document: dict[str, Any] = {
            "format": FORMAT,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "settings": asdict(settings),
            "cells": [],
            "dropped": [],
            "failed": {},
        }

    def all(self) -> bool:
        """Measures what fits into the budget; whether all contenders worked and did the same work."""
        waiting, budget = self.settings.cells(), Budget(self.settings.budget)
        for number, cell in enumerate(waiting):
            if budget.fits(cell):
                stretch = budget.stretch(waiting[number:])
                self.one(cell, stretch)
                budget.took(cell, stretch)
            else:
                self.document["dropped"].append(cell.title)
        for title in self.document["dropped"]:
            self.say(f"dropped, for want of time: {title}")
        self.write()
        return not self.document["failed"] and not any(c["disagreeing"] for c in self.document["cells"])

    def one(self, cell: Cell, stretch: float = 1.0):
        """Measures a cell."""
        try:
            results, missing = measure(cell, stretch)
        except (OSError, ImportError, RuntimeError, ValueError) as error:
            self.document["failed"][cell.title] = str(error)
            self.say(f"{cell.title}\n  FAILED: {error}\n")
            return
        wrong = disagreeing(results, cell.tolerance)
        self.document["cells"].append(_plain(cell, results, missing, wrong))
        self.say(table(cell, results, missing, wrong))
        self.write()

    def write(self):
        """Replaces the file at once, so that it is never half written."""
        if self.file:
            fresh = self.file.with_name(self.file.name + ".part")
            fresh.write_text(json.dumps(self.document, indent=1) + "\n", encoding="utf-8")
            fresh.replace(self.file)


class Budget:
    """Seconds of a run, and how they compare with what cells were thought to take."""

    def __init__(self, seconds: float):
        self.seconds, self.begun = seconds, time.perf_counter()
        self.expected = self.taken = 0.0

    def stretch(self, waiting: list[Cell]) -> float:
        """How much longer than its seconds each cell may be measured: from 1 to LONGEST."""
        starting, measuring = (self._pace() * sum(seconds) for seconds in zip(*map(_expected, waiting), strict=True))
        return min(max((self._left() - starting) / measuring, 1.0), LONGEST)

    def fits(self, cell: Cell) -> bool:
        """Whether a cell will be done in time, if it goes like those before it."""
        return self._pace() * sum(_expected(cell)) <= self._left()

    def took(self, cell: Cell, stretch: float):
        """Remembers that a cell is done."""
        starting, measuring = _expected(cell)
        self.expected += starting + stretch * measuring
        self.taken = time.perf_counter() - self.begun

    def _pace(self) -> float:
        """The time that cells have taken by what was expected."""
        return self.taken / self.expected if self.taken else 1.0

    def _left(self) -> float:
        return self.seconds - (time.perf_counter() - self.begun)


def _expected(cell: Cell) -> tuple[float, float]:
    """Seconds of starting and of measuring."""
    return cell.starting, cell.seconds


def _plain(cell: Cell, results: dict[str, Result], missing: dict[str, str], wrong: list[str]) -> dict:
    """A cell's results as JSON knows them."""
    kept = ("family", "name", "task", "threads", "options", "dataset", "axis", "cold", "per")
    contenders = {name: asdict(result) | {"summary": result.summary()} for name, result in results.items()}
    whole = asdict(cell)
    return {k: whole[k] for k in kept} | {
        "case": whole["case"],
        "contenders": contenders,
        "left_out": missing,
        "disagreeing": wrong,
    }
