"""What a report consists of, and how it is written as Markdown and as HTML."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1, h2 { line-height: 1.2 } h2 { margin-top: 2.5rem }
.wide { overflow-x: auto } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 0.9rem }
th, td { padding: 0.3rem 0.7rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left } img { max-width: 100%; height: auto }
"""


@dataclass(frozen=True)
class Heading:
    """A heading; of level 1 there is one."""

    text: str
    level: int = 2

    def markdown(self) -> str:
        return f"{'#' * self.level} {self.text}"

    def html(self, pictures: dict[str, bytes]) -> str:
        return f"<h{self.level}>{escape(self.text)}</h{self.level}>"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str

    def markdown(self) -> str:
        return self.text

    def html(self, pictures: dict[str, bytes]) -> str:
        return f"<p>{escape(self.text)}</p>"


@dataclass(frozen=True)
class Table:
    """Rows below a head."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [self.head, ("---",) * len(self.head), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def html(self, pictures: dict[str, bytes]) -> str:
        def row(cells, tag):
            return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

        body = "\n".join(row(cells, "td") for cells in self.rows)
        return (
            f'<div class="wide"><table><thead>{row(self.head, "th")}</thead>\n<tbody>\n{body}\n</tbody></table></div>'
        )


@dataclass(frozen=True)
class Picture:
    """A chart in an SVG file."""

    file: str
    text: str

    def markdown(self) -> str:
        return f"![{self.text}]({self.file})"

    def html(self, pictures: dict[str, bytes]) -> str:
        data = b64encode(pictures[self.file]).decode()
        return f'<p><img alt="{escape(self.text)}" src="data:image/svg+xml;base64,{data}"></p>'


Block = Heading | Text | Table | Picture


def markdown(blocks: list[Block]) -> str:
    """All of it as Markdown; pictures are files beside it."""
    return "\n\n".join(block.markdown() for block in blocks) + "\n"


def page(blocks: list[Block], pictures: dict[str, bytes]) -> str:
    """All of it as one HTML page that needs no other file."""
    title = next(block.text for block in blocks if isinstance(block, Heading))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(block.html(pictures) for block in blocks)
    head += f"<style>{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'
