"""The commands that measure: bench beside other libraries, bench-report what was found."""

from pathlib import Path
from typing import Annotated

import typer

from gpubp.cli.errors import FAILED, usage

ALL = "all"


def bench(
    against: Annotated[str, typer.Option(help="Libraries: torch, jax, sklearn, numpy, onnxruntime; or all.")] = ALL,
    device: Annotated[str, typer.Option(help="Where to compute: cpu.")] = "cpu",
    threads: Annotated[str, typer.Option(help="Numbers of threads; the first for all families.")] = "1",
    budget: Annotated[float, typer.Option(help="Seconds of the whole run.")] = 300.0,
    family: Annotated[
        str, typer.Option(help="step, predict, fit, estimator, start-up, memory, size, ...; or all.")
    ] = ALL,
    case: Annotated[
        list[str] | None, typer.Option(help="Part of the name of a case; may be given again.", show_default="all")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="File for all results, written as they come.")] = None,
):
    """Measures gpubp beside other libraries: steps, fits, predictions, start-up, memory, size, growth.

    Each contender runs in a process of its own; what is not installed is left out and named. The cells of least value
    are dropped if the budget does not suffice, and are named, too. Exit code 0 if all did the same work, else 1.
    """
    from gpubp.bench.families import NAMES
    from gpubp.bench.suite import LIBRARIES, Run, Settings

    with usage():
        if json and not json.parent.is_dir():
            raise ValueError(f"there is no folder {json.parent}, where {json.name} is to be written")
        settings = Settings(
            tuple(LIBRARIES) if against == ALL else listed(against),
            tuple(int(n) for n in listed(threads)),
            budget,
            NAMES if family == ALL else listed(family),
            tuple(case or ()),
            device,
        )
    if not Run(settings, json, typer.echo).all():
        raise typer.Exit(FAILED)


def bench_report(
    files: Annotated[list[Path], typer.Argument(help="JSON files of gpubp bench.", metavar="FILE...")],
    folder: Annotated[Path, typer.Option(help="Where REPORT.md, report.html and the charts go.")] = Path(
        "bench/results"
    ),
    readme: Annotated[Path | None, typer.Option(help="A README whose table and picture are of the first file.")] = None,
):
    """Writes a report with charts out of what gpubp bench has found."""
    from gpubp.bench import report

    documents = report.read(files)
    for path in report.write(documents, folder):
        typer.echo(path)
    if readme:
        for path in report.update(readme, documents[0]):
            typer.echo(path)


def listed(text: str) -> tuple[str, ...]:
    """The names in "torch,jax"."""
    return tuple(part.strip() for part in text.split(",") if part.strip())
