"""The results of runs, and what is asked of them."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from gpubp.bench.results import CLOCKS, ratio
from gpubp.bench.suite import FORMAT

Document = dict[str, Any]
Found = dict[str, Any]  # a cell with its results


def read(files: Iterable[Path]) -> list[Document]:
    """The documents in JSON files. Raises ValueError for files that `gpubp bench` has not written."""
    found = []
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ValueError(f"{file} is not a result of this version of gpubp bench (format {FORMAT})")
        found.append(document)
    return found


def of_family(document: Document, family: str) -> list[Found]:
    """The cells of a family, in the order in which they were measured."""
    return [cell for cell in document["cells"] if cell["family"] == family]


def names(cells: Iterable[Found]) -> list[str]:
    """The contenders of cells."""
    return list(dict.fromkeys(name for cell in cells for name in cell["contenders"]))


def value(cell: Found, name: str, measure: str = "seconds") -> float | None:
    """The median of what was measured of a contender, of training steps for one step; None if it was not."""
    samples = cell["contenders"].get(name, {}).get("samples", {}).get(measure)
    if not samples:
        return None
    return median(samples) / (cell["per"] if measure in CLOCKS else 1)


def multiple(cell: Found, name: str, clock: str = "seconds") -> float | None:
    """A contender's time by that of gpubp in the same rounds."""
    a, b = (cell["contenders"].get(n, {}).get("samples", {}).get(clock) for n in (name, "gpubp"))
    return ratio(a, b) if a and b and len(a) == len(b) else None


def versions(document: Document) -> dict[str, str]:
    """The versions of all packages that took part."""
    results = (result for cell in document["cells"] for result in cell["contenders"].values())
    return {package: number for result in results for package, number in result["versions"].items()}


def processors(machine: dict) -> str:
    """What computed, and how many of them."""
    return f"{machine['processor']}, {machine['cores']} processor{'s' * (machine['cores'] > 1)}"
