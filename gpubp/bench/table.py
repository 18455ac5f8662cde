"""A cell's results as text: a line for each contender."""

from gpubp.bench.cells import Cell
from gpubp.bench.results import CLOCKS, Result, ratio
from gpubp.engine.explain.table import human


def table(cell: Cell, results: dict[str, Result], missing: dict[str, str], wrong: list[str]) -> str:
    """Medians with their spread, what is a multiple of the first contender's, losses, and who did not take part."""
    lines = [cell.title]
    for name, result in results.items():
        first = next(iter(results.values()))
        columns = [_column(what, result, first, cell) for what in result.samples]
        loss = "" if result.loss is None else f"  loss {result.loss:.5f}"
        if not result.samples:
            columns.append("did not reach the score")
        lines.append(f"  {name:24}{'  '.join(columns)}{loss}  {result.note}")
    lines += [f"  {name} is left out: {why}" for name, why in missing.items()]
    if wrong:
        lines.append(f"  NOT THE SAME WORK: the loss of {', '.join(wrong)} is not that of the first")
    return "\n".join(lines) + "\n"


def _column(what: str, result: Result, first: Result, cell: Cell) -> str:
    """Such as "2.26 ms ± 3% (1.00)"; of steps the time of one, by the wall and by the processor's clock."""
    spread = result.summary()[what]
    unit = "B" if what.endswith("bytes") else "s"
    label = "" if what in ("seconds", "bytes") else f"{what.removesuffix('_seconds').removesuffix('_bytes')} "
    middle = spread["median"] / (cell.per if what in CLOCKS else 1)
    text = f"{label}{human(middle, unit)}"
    if unit == "s" and spread["median"]:
        text += f" ± {(spread['high'] - spread['low']) / 2 / spread['median']:.0%}"
    own = first.samples.get(what, [])
    if what in CLOCKS and len(own) == len(result.samples[what]):
        text += f" ({ratio(result.samples[what], own):.3g})"
    return text
