"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from gpubp.cli.errors import usage

Set = Annotated[
    str, typer.Argument(help="mnist, or a .npz file with x_train, y_train, x_test and y_test.", metavar="DATASET")
]
ModelFile = Annotated[Path, typer.Argument(help="A model file.", metavar="MODEL")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, or auto for the fastest that works here.")]


def choose(device: str):
    """Computes on a device from now on."""
    from gpubp.backend import set_device

    with usage():
        set_device(device)
