"""The report's files: Markdown with charts beside it, and one page that holds all."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from gpubp.bench.report.blocks import Block, Heading, Picture, Text, markdown, page
from gpubp.bench.report.charts import CHARTS, svg
from gpubp.bench.report.documents import Document
from gpubp.bench.report.sections import SECTIONS

INTRODUCTION = (
    "Made by `gpubp bench-report` out of what `gpubp bench` has measured. Figures of different runs or machines are "
    "not comparable; multiples within a run are. bench/README.md says how each figure comes about."
)


def write(documents: list[Document], folder: Path) -> list[Path]:
    """Writes REPORT.md, report.html and the charts into a folder, and returns their paths."""
    pictures: dict[str, bytes] = {}
    blocks: list[Block] = [Heading("Benchmarks", 1), Text(INTRODUCTION)]
    for number, document in enumerate(documents):
        drawn = dict(_drawn(document, f"-{number + 1}" if number else ""))
        pictures |= {picture.file: data for picture, data in drawn.items()}
        blocks += [*_sections(document), *drawn]
    folder.mkdir(parents=True, exist_ok=True)
    files = {"REPORT.md": markdown(blocks).encode(), "report.html": page(blocks, pictures).encode(), **pictures}
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def _sections(document: Document) -> Iterable[Block]:
    return [block for section in SECTIONS for block in section(document)]


def _drawn(document: Document, suffix: str) -> Iterator[tuple[Picture, bytes]]:
    for name, (draw, text) in CHARTS.items():
        data = svg(draw, document)
        if data:
            yield Picture(f"{name}{suffix}.svg", text), data
