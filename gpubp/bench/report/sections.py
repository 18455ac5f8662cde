"""The report of a run, section by section."""

from collections.abc import Callable

from gpubp.bench.report.blocks import Block, Heading, Table, Text
from gpubp.bench.report.documents import Document, Found, multiple, names, of_family, processors, value, versions
from gpubp.bench.report.growth import slopes
from gpubp.engine.explain.table import human

NOTHING = "–"
Way = Callable[[Found, str], str]  # how a cell tells of a contender


def run(document: Document) -> list[Block]:
    """Where and when, and what did not take part."""
    machine = document["machine"]
    used = ", ".join(f"{package} {number}" for package, number in sorted(versions(document).items()))
    where = f"{processors(machine)}, {machine['system']}, Python {machine['python']}"
    blocks: list[Block] = [Heading(f"Measured on {document['date'][:10]}"), Text(f"{where}; {used}.")]
    left = {f"{name} ({why})" for cell in document["cells"] for name, why in cell["left_out"].items()}
    wrong = [f"{name} at {cell['name']}" for cell in document["cells"] for name in cell["disagreeing"]]
    failed = [f"{title} ({why})" for title, why in document["failed"].items()]
    for what, found in (
        ("Left out", sorted(left)),
        ("Dropped, for want of time", document["dropped"]),
        ("Failed", failed),
        ("NOT THE SAME WORK, by the loss at the end", wrong),
    ):
        blocks += [Text(f"{what}: {'; '.join(found)}.")] if found else []
    return blocks


def step(document: Document) -> list[Block]:
    blocks: list[Block] = []
    cells = of_family(document, "step")
    for threads in sorted({cell["threads"] for cell in cells}):
        chosen = [cell for cell in cells if cell["threads"] == threads]
        text = "Time of a step, and in brackets the multiple of gpubp's in the same rounds. Products: the floor, the "
        text += "matrix products of the same program by BLAS, alone."
        busy = "The same by the time that a process's threads were running: where other work takes turns with the "
        busy += "contenders, the wall clock shows whom the scheduler favoured, and this one is to be believed."
        heading = f"A training step, {threads} thread{'s' if threads > 1 else ''}"
        blocks += [Heading(heading), Text(text), grid(chosen, compared("seconds"))]
        blocks += [Text(busy), grid(chosen, compared("processor"))]
    return blocks


def predict(document: Document) -> list[Block]:
    text = "Time of a call, from array to array, and in brackets the multiple of gpubp's."
    return _section(document, "predict", "Prediction", text, [compared("seconds")])


def fit(document: Document) -> list[Block]:
    text = "Seconds to a score on the test part, from the making of the model on, without the scoring itself."
    blocks = _section(document, "fit", "Time to a score", text, [seconds])
    text = "A fit of a number of epochs, as scikit-learn's users call it."
    return blocks + _section(document, "estimator", "Estimators", text, [seconds])


def start(document: Document) -> list[Block]:
    text = "From the start of the interpreter: to the end of the imports, then to the end of the first epoch."
    ways = [_of("import_seconds", "s"), _of("first_epoch_seconds", "s")]
    return _section(document, "start-up", "Start-up", text, ways)


def memory(document: Document) -> list[Block]:
    text = "Peaks above what is resident after the imports, of training and of predicting; then the whole process's."
    ways = [_of(f"{what}_bytes", "B") for what in ("training", "predicting", "process")]
    return _section(document, "memory", "Memory", text, ways)


def size(document: Document) -> list[Block]:
    return _section(document, "size", "Installed files", "With all that each requires.", [_of("bytes", "B")])


def instructions(document: Document) -> list[Block]:
    rows = []
    for cell in of_family(document, "instructions"):
        found = cell["contenders"]["gpubp"]["details"]["explanation"]
        whole, floor = found["step_seconds"], found["total"]["floor"]
        work = (human(found["total"]["flops"], "FLOP"), human(found["total"]["bytes"], "B"))
        ratio = f"{whole / floor:.2f}"
        rows.append((cell["name"], str(len(found["instructions"])), *work, human(floor, "s"), human(whole, "s"), ratio))
    if not rows:
        return []
    head = ("case", "instructions", "work", "traffic", "floor", "step", "multiple of the floor")
    text = "What `explain(analyze=True)` finds; the floor is the sum of what each instruction takes at least."
    return [Heading("Instructions of a step"), Text(text), Table(head, rows)]


def growth(document: Document) -> list[Block]:
    """Slopes on log axes: 1 where twice as much takes twice as long."""
    rows = [
        (what, axis, name, f"{slope:.2f}")
        for family, measure, what in (
            ("growth", "seconds", "time of a step"),
            ("growth of memory", "training_bytes", "memory of training"),
        )
        for (axis, name), slope in slopes(document, family, measure).items()
    ]
    if not rows:
        return []
    text = "Slopes on log axes, over the upper half of each: 1 where twice as much takes twice as long."
    return [Heading("Growth"), Text(text), Table(("of", "as grows", "contender", "slope"), rows)]


def grid(cells: list[Found], *ways: Way) -> Table:
    """A row a cell, a column a contender."""
    columns = names(cells)
    rows = []
    for cell in cells:
        told = [_told(cell, name, ways) if name in cell["contenders"] else NOTHING for name in columns]
        rows.append((cell["name"], *told))
    return Table(("case", *columns), rows)


def _told(cell, name, ways) -> str:
    return " · ".join(way(cell, name) for way in ways)


def compared(clock: str) -> Way:
    """The time by a clock and how many times gpubp's it is."""

    def told(cell, name):
        times, text = multiple(cell, name, clock), _of(clock, "s")(cell, name)
        return text if times is None or name == "gpubp" else f"{text} ({times:.3g})"

    return told


def _of(measure: str, unit: str) -> Way:
    def told(cell, name):
        found = value(cell, name, measure)
        return NOTHING if found is None else human(found, unit)

    return told


seconds = _of("seconds", "s")


def _section(document, family, heading, text, ways) -> list[Block]:
    cells = of_family(document, family)
    return [Heading(heading), Text(text), grid(cells, *ways)] if cells else []


SECTIONS = (run, step, predict, fit, start, memory, size, instructions, growth)
