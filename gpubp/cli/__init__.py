"""The command `gpubp`: train, evaluate, predict, explain, doctor, bench, bench-report.

With --json a command prints one JSON document on standard output and nothing else there; progress goes to standard
error. Exit codes: 0, it worked; 1, it failed: data or a model that can't be read, a loss that is not finite, a doctor's
bad news; 2, the command line is wrong. Errors are one line on standard error.

What a command needs is imported when it runs, so that `gpubp --help` answers at once.
"""

import logging
from importlib import metadata
from typing import Annotated

import typer

from gpubp.cli.applying import evaluate, predict
from gpubp.cli.benching import bench, bench_report
from gpubp.cli.errors import Commands
from gpubp.cli.inspecting import doctor, explain
from gpubp.cli.training import train

app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for command in (train, evaluate, predict, explain, doctor, bench, bench_report):
    app.command()(command)


def show_version(wanted: bool):
    if wanted:
        typer.echo(f"gpubp {metadata.version('gpubp')}")
        raise typer.Exit


@app.callback()
def gpubp(
    show: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=show_version, is_eager=True)
    ] = False,
):
    """Trains multilayer perceptrons by running each training step as a compiled program.

    Exit codes: 0 it worked, 1 it failed, 2 the command line is wrong.
    """


def main():
    """The entry point of the command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app()
