"""How time and memory grow."""

import numpy as np

from gpubp.bench.report.documents import Document, of_family, value

Curve = list[tuple[int, float]]


def curves(document: Document, family: str, measure: str) -> dict[tuple[str, str], Curve]:
    """For each axis and contender the points in the order of the axis."""
    found: dict[tuple[str, str], Curve] = {}
    for cell in sorted(of_family(document, family), key=lambda cell: cell["axis"][1]):
        axis, to = cell["axis"]
        for name in cell["contenders"]:
            y = value(cell, name, measure)
            if y:
                found.setdefault((axis, name), []).append((to, y))
    return found


def slopes(document: Document, family: str, measure: str) -> dict[tuple[str, str], float]:
    """The slope of each curve on log axes over its upper half, where what does not grow has lost its weight."""
    found = {}
    for key, curve in curves(document, family, measure).items():
        upper = np.log(curve[len(curve) // 2 :] if len(curve) > 3 else curve)
        if len(upper) > 1:
            found[key] = float(np.polyfit(upper[:, 0], upper[:, 1], 1)[0])
    return found
