"""The commands that apply a model: evaluate, predict."""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gpubp.cli.data import classes_of, fed, read_arrays, read_set
from gpubp.cli.options import AsJson, Device, ModelFile, Set, choose
from gpubp.cli.output import emit


def evaluate(model: ModelFile, dataset: Set, device: Device = "auto", as_json: AsJson = False):
    """Prints the loss and the metrics of a model on the test part of a data set."""
    from gpubp.saving import load_model

    choose(device)
    net = load_model(model)
    ((x, y),) = read_set(dataset, "test")
    found = net.evaluate(fed(x, net), y, verbose=0, return_dict=True)
    if as_json:
        return emit(found)
    return typer.echo("\n".join(f"{name} {value:.6g}" for name, value in found.items()))


def predict(
    model: ModelFile,
    data: Annotated[str, typer.Argument(help="A .npy file of rows, or a data set: its test part.", metavar="INPUT")],
    output: Annotated[Path | None, typer.Option(help="A .npy file to write, in place of lines.")] = None,
    classes: Annotated[bool, typer.Option("--classes", help="Classes, in place of probabilities.")] = False,
    device: Device = "auto",
    as_json: AsJson = False,
):
    """Writes a model's outputs: a line a row, or one array into a file."""
    from gpubp.saving import load_model

    choose(device)
    net = load_model(model)
    x = read_arrays(data) if Path(data).suffix == ".npy" else read_set(data, "test")[0][0]
    found = net.predict(fed(x, net), verbose=0)
    found = classes_of(found) if classes else found
    if output:
        with output.open("wb") as file:  # np.save would add to a name that does not end in .npy
            np.save(file, found)
    if as_json:
        shown = {"output": output} if output else {"classes" if classes else "outputs": found.tolist()}
        emit({**shown, "shape": found.shape, "dtype": found.dtype.name})
    elif not output:
        np.savetxt(sys.stdout, found.reshape(len(found), -1), fmt="%d" if classes else "%.6g")
