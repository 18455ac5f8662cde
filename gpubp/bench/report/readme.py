"""The README's table and picture of training steps, out of a run's results."""

import json
import re
from hashlib import sha256
from pathlib import Path

from gpubp.bench.report.blocks import Picture, Table
from gpubp.bench.report.charts import svg, throughput
from gpubp.bench.report.documents import Document, Found, multiple, of_family, processors, value

BEGIN, END = "<!-- figures: made by gpubp bench-report -->", "<!-- end of figures -->"
PICTURE = "docs/throughput.svg"
COLUMNS = {
    "JAX lax.scan": "JAX `lax.scan`",
    "PyTorch": "PyTorch, eager",
    "PyTorch compiled": "PyTorch, compiled",
    "scikit-learn": "scikit-learn",
    "products": "its matrix products alone",
}


def update(readme: Path, document: Document) -> list[Path]:
    """Replaces what stands between the marks of a README, and the picture; returns their paths.

    Raises ValueError if the README has no marks, or the run no training steps.
    """
    text = readme.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"{readme} has no lines {BEGIN!r} and {END!r}, between which the table belongs")
    readme.write_text(marked.sub(lambda _: block(document), text), encoding="utf-8")
    picture = readme.parent / PICTURE
    drawn = svg(throughput, document, description=digest(document))
    assert drawn
    picture.write_bytes(drawn)
    return [readme, picture]


def block(document: Document) -> str:
    """The marks with what belongs between them."""
    machine, cells = document["machine"], _cells(document)
    if not cells:
        raise ValueError("the run has measured no training steps with one thread")
    where = f"{processors(machine)}, Python {machine['python']}"
    picture = Picture(PICTURE, "Times of a training step by that of gpubp")
    said = f"Medians of one run on {where}, {document['date'][:10]}."
    return "\n\n".join([BEGIN, said, table(document).markdown(), picture.markdown(), END])


def table(document: Document) -> Table:
    """Microseconds a step, and in brackets gpubp's share of the other's time."""
    cells = _cells(document)
    columns = [name for name in COLUMNS if any(name in cell["contenders"] for cell in cells)]
    rows = []
    for cell in cells:
        rows.append((cell["name"], _microseconds(cell, "gpubp"), *(_compared(cell, name) for name in columns)))
    return Table(("net, batch", "gpubp, µs a step", *(COLUMNS[name] for name in columns)), rows)


def digest(document: Document) -> str:
    """Of the figures that the picture shows: it stands in the picture, so that both can be compared."""
    shown = [
        (cell["name"], {name: f"{multiple(cell, name) or 0:.6g}" for name in cell["contenders"]})
        for cell in _cells(document)
    ]
    return f"figures {sha256(json.dumps(shown).encode()).hexdigest()}"


def _cells(document: Document) -> list[Found]:
    return [cell for cell in of_family(document, "step") if cell["threads"] == 1]


def _microseconds(cell: Found, name: str) -> str:
    found = value(cell, name)
    if found is None:
        return "–"
    return f"{1e6 * found:,.2f}" if found < 1e-5 else f"{1e6 * found:,.0f}"


def _compared(cell: Found, name: str) -> str:
    times, text = multiple(cell, name), _microseconds(cell, name)
    return text if times is None or name == "products" else f"{text} ({1 / times:.2g})"
