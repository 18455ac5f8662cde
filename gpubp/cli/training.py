"""The command that trains a classifier."""

import importlib.util
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer

from gpubp.cli.data import flat, labels, read_set
from gpubp.cli.errors import UsageError, usage
from gpubp.cli.options import AsJson, Device, Set, choose
from gpubp.cli.output import emit


def train(
    dataset: Set,
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "512,512",
    epochs: Annotated[int, typer.Option(min=1, help="How often to go through the data.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a step.")] = 128,
    activation: Annotated[str, typer.Option(help="Of the hidden layers.")] = "relu",
    dropout: Annotated[float, typer.Option(help="Rate of dropout after each hidden layer.")] = 0.0,
    optimizer: Annotated[str, typer.Option(help="One of gpubp.optimizers: adam, adamw, sgd, lion, ...")] = "adam",
    learning_rate: Annotated[
        float | None, typer.Option(help="Of the optimizer; its own default if not given.", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(help="Of initial weights, order of the rows and dropout.")] = 0,
    model: Annotated[
        Path | None, typer.Option(help="Where to save the model.", show_default="DATASET.safetensors")
    ] = None,
    curve: Annotated[
        Path | None, typer.Option(help="Where to draw the curve.", show_default="DATASET-learning-curve.png")
    ] = None,
    verbose: Annotated[str, typer.Option(help="0 silent, 1 a live bar, 2 a line an epoch, auto.")] = "auto",
    device: Device = "auto",
    as_json: AsJson = False,
):
    """Trains a classifier on the train part of a data set, measures it on the test part and saves it."""
    choose(device)
    model = model or Path(f"{Path(dataset).stem}.safetensors")
    show = checked_verbose(verbose)
    curve = checked_curve(curve, Path(f"{Path(dataset).stem}-learning-curve.png"))
    for path in (model, curve or model):
        if not path.parent.is_dir():
            raise UsageError(f"there is no folder {path.parent}, where {path.name} is to be written")
        if path.is_dir():
            raise UsageError(f"{path} is a folder, where a file is to be written")
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        (x, y), (x_test, y_test) = ((flat(x), labels(y)) for x, y in read_set(dataset, "train", "test"))
        with usage():
            widths = [x.shape[1], *parse_widths(hidden), int(max(y.max(), y_test.max())) + 1]
            net = classifier(widths, activation, dropout, optimizer, learning_rate, seed)
        shape, size = "-".join(map(str, widths)), f"{net.count_params():,} weights"
        typer.echo(f"{shape}: {size}, {len(x):,} rows to train on, {len(x_test):,} to test")
        history = net.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=show)
        test = net.evaluate(x_test, y_test, verbose=0, return_dict=True)
        typer.echo(f"test accuracy {100 * test['accuracy']:.2f} %")
        net.save(model)
        typer.echo(f"model saved to {model}")
        if curve:
            history.plot(curve)
            typer.echo(f"learning curve drawn to {curve}")
    if as_json:
        rows = {"train": len(x), "test": len(x_test)}
        emit({"widths": widths, "rows": rows, "history": history.history, "test": test, "model": model, "curve": curve})


def checked_verbose(text: str) -> Any:
    """What `fit` takes as `verbose`."""
    from gpubp.training.progress import progress

    with usage():
        show = int(text) if text.isdigit() else text
        progress(show)
    return show


def checked_curve(curve: Path | None, default: Path) -> Path | None:
    """Where the learning curve goes; None, with a note, if nobody asked for one and it can't be drawn."""
    if importlib.util.find_spec("matplotlib"):
        return _drawable(curve) if curve else default
    needs = "a learning curve needs matplotlib: pip install 'gpubp[plot]'"
    if curve:
        raise UsageError(needs)
    typer.echo(f"no learning curve: {needs}", err=True)
    return None


def _drawable(curve: Path) -> Path:
    """The path, if Matplotlib knows its ending: it is too late to ask when the model is trained."""
    from matplotlib.backend_bases import FigureCanvasBase

    known = sorted(FigureCanvasBase.get_supported_filetypes())
    if curve.suffix and curve.suffix[1:].lower() not in known:
        raise UsageError(f"a curve can't be drawn to {curve.name}; the endings are {', '.join(known)}")
    return curve


def parse_widths(text: str) -> list[int]:
    """The widths of the hidden layers in "512,512"; none in ""."""
    try:
        return [int(width) for width in text.split(",")] if text else []
    except ValueError:
        raise ValueError(f"--hidden takes widths with commas between, such as 512,512; it is {text!r}") from None


def classifier(widths, activation, dropout, optimizer, learning_rate, seed):
    """A compiled model with an input, hidden layers and classes of these widths."""
    from gpubp import Input, Sequential, layers, optimizers, set_random_seed

    set_random_seed(seed)
    net = Sequential([Input(widths[:1])])
    for width in widths[1:-1]:
        net.add(layers.Dense(width, activation))
        if dropout:
            net.add(layers.Dropout(dropout))
    net.add(layers.Dense(widths[-1], "softmax"))
    rule = optimizers.get(optimizer)
    rule = rule if learning_rate is None else type(rule)(learning_rate)
    net.compile(rule, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return net
