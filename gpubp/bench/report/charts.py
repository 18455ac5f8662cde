"""The charts, as SVG."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from gpubp.bench.report.documents import Document, Found, multiple, names, of_family
from gpubp.bench.report.growth import curves

COLOURS = {
    "gpubp": "#c1272d",
    "JAX lax.scan": "#0000a7",
    "JAX jit": "#6f6fd8",
    "PyTorch": "#e08214",
    "PyTorch compiled": "#8c510a",
    "PyTorch DataLoader": "#fdb863",
    "scikit-learn": "#008176",
    "NumPy": "#777777",
    "products": "#000000",
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gpubp",
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "axes.axisbelow": True,
}
Draw = Callable[[Document], Figure | None]


def svg(draw: Callable[..., Figure | None], *arguments, description: str = "") -> bytes | None:
    """What a function draws, the same bytes each time; None if there is nothing to draw."""
    with rc_context(STYLE):
        figure = draw(*arguments)
        if figure is None:
            return None
        file = BytesIO()
        figure.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None, "Description": description})
    return file.getvalue()


def throughput(document: Document, threads: int = 1) -> Figure | None:
    """Times of a step by gpubp's: a line a case, a point a contender."""
    cells = [cell for cell in of_family(document, "step") if cell["threads"] == threads]
    if not cells:
        return None
    figure = Figure((9, 1.2 + 0.35 * len(cells)))
    axes = figure.subplots()
    for name in names(cells):
        points = [(multiple(cell, name), cell["name"]) for cell in cells]
        x, y = zip(*[(x, y) for x, y in points if x is not None], strict=True)
        marker = "|" if name == "products" else "o"
        axes.scatter(x, y, s=45, color=COLOURS.get(name), marker=marker, label=name, zorder=3)
    axes.set_yticks([cell["name"] for cell in cells])
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel(f"time of a step by that of gpubp, {threads} thread{'s' if threads > 1 else ''}")
    _legend(axes)
    return figure


def roofline(document: Document) -> Figure | None:
    """Each instruction of a step: what it does a second over what it does a byte, below what the machine can do."""
    cells = of_family(document, "instructions")
    if not cells:
        return None
    figure = Figure((9, 5))
    axes = figure.subplots()
    intensities: list[float] = []
    for number, cell in enumerate(cells):
        points = _instructions(cell)
        x, y, sizes = zip(*points, strict=True)
        intensities += x
        axes.scatter(x, y, sizes, color=f"C{number}", alpha=0.7, label=cell["name"], zorder=3)
    rates = [cell["contenders"]["gpubp"]["details"]["explanation"]["rates"] for cell in cells]
    most, copies = (max(rate[what] for rate in rates) for what in ("products", "copies"))
    knee = most / copies
    ends = min(*intensities, knee) / 2, max(*intensities, knee) * 2
    axes.plot((ends[0], knee, ends[1]), (ends[0] * copies, most, most), color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("FLOP a byte read or written")
    axes.set_ylabel("FLOP a second; areas: share of the step")
    _legend(axes)
    return figure


def _instructions(cell: Found) -> list[tuple[float, float, float]]:
    """Intensity, rate and area of the instructions that compute something."""
    found = cell["contenders"]["gpubp"]["details"]["explanation"]["instructions"]
    return [
        (i["flops"] / i["bytes"], i["flops"] / i["seconds"], 10 + 600 * i["share"])
        for i in found
        if i["flops"] and i["bytes"] and i["seconds"]
    ]


def growing(document: Document) -> Figure | None:
    """Time and memory on log axes as batch, width, depth, rows and threads grow."""
    panels = [
        (family, measure, label, axis)
        for family, measure, label in (
            ("growth", "seconds", "seconds a step"),
            ("growth of memory", "training_bytes", "bytes of training"),
        )
        for axis in dict.fromkeys(axis for axis, _ in curves(document, family, measure))
    ]
    if not panels:
        return None
    columns = min(len(panels), 4)
    lines = -(-len(panels) // columns)
    figure = Figure((3.4 * columns, 3.2 * lines), layout="constrained")
    places = figure.subplots(lines, columns, squeeze=False).flat
    for axes, (family, measure, label, axis) in zip(places, panels, strict=False):
        points: set[int] = set()
        for (grown, name), curve in curves(document, family, measure).items():
            if grown == axis:
                axes.plot(*zip(*curve, strict=True), color=COLOURS.get(name), marker="o", markersize=4, label=name)
                points |= {to for to, _ in curve}
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sorted(points), [f"{to:,}" for to in sorted(points)])  # a decade's ticks may be none of them
        axes.set_xticks([], minor=True)
        axes.set_xlabel(axis)
        axes.set_ylabel("seconds an epoch" if axis == "rows" else label)
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    _legend(figure.axes[columns - 1])
    return figure


def accuracy(document: Document) -> Figure | None:
    """Scores on the test part over seconds of training."""
    cells = [cell for cell in of_family(document, "fit") if cell["contenders"]]
    if not cells:
        return None
    figure = Figure((5 * len(cells), 4), layout="constrained")
    for axes, cell in zip(figure.subplots(1, len(cells), squeeze=False)[0], cells, strict=True):
        for name, result in cell["contenders"].items():
            axes.plot(*zip(*result["details"]["curve"], strict=True), color=COLOURS.get(name), marker=".", label=name)
        axes.axhline(cell["options"]["target"], color="black", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel("seconds of training")
        axes.tick_params(axis="x", which="both", rotation=45)  # less than a decade is labelled densely
        axes.set_ylabel("score on the test part")
        axes.set_title(cell["name"])
    _legend(figure.axes[-1])
    return figure


def _legend(axes: Any):
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)


CHARTS: dict[str, tuple[Draw, str]] = {
    "throughput": (throughput, "Times of a training step by that of gpubp"),
    "roofline": (roofline, "Each instruction of a step below what the machine can do"),
    "growth": (growing, "Time and memory as batch, width, depth, rows and threads grow"),
    "accuracy": (accuracy, "Scores on the test part over seconds of training"),
}
