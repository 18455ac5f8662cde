"""The command `gpubp`: train, evaluate, predict, doctor.

What a command needs is imported when it runs, so that `gpubp --help` answers at once.
"""

import importlib.util
import json
import logging
import math
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from typer.core import TyperGroup

USER_ERRORS = (ValueError, TypeError, OSError, FloatingPointError, ImportError, MemoryError)


class Commands(TyperGroup):
    """Errors of users end in one line and exit code 2, without a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # somebody reads only the first lines of the output
            raise
        except USER_ERRORS as error:
            typer.echo(f"gpubp: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from None


app = typer.Typer(cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Set = Annotated[
    str, typer.Argument(help="mnist, or a .npz file with x_train, y_train, x_test and y_test.", metavar="DATASET")
]
ModelFile = Annotated[Path, typer.Argument(help="A model file.", metavar="MODEL")]


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
    """Trains multilayer perceptrons by running each training step as a compiled program."""


@app.command()
def train(
    dataset: Set,
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "512,512",
    epochs: Annotated[int, typer.Option(min=1, help="How often to go through the data.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Rows of a step.")] = 128,
    activation: Annotated[str, typer.Option(help="Of the hidden layers.")] = "relu",
    dropout: Annotated[float, typer.Option(help="Rate of dropout after each hidden layer.")] = 0.0,
    optimizer: Annotated[str, typer.Option(help="adam or sgd.")] = "adam",
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
):
    """Trains a classifier on the train part of a data set, measures it on the test part and saves it."""
    model = model or Path(f"{Path(dataset).stem}.safetensors")
    curve = checked_curve(curve, Path(f"{Path(dataset).stem}-learning-curve.png"))
    for path in (model, curve or model):
        if not path.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {path.parent}, where {path.name} is to be written")
    show = int(verbose) if verbose.isdigit() else verbose
    (x, y), (x_test, y_test) = ((flat(x), labels(y)) for x, y in read_set(dataset, "train", "test"))
    widths = [x.shape[1], *parse_widths(hidden), int(max(y.max(), y_test.max())) + 1]

    net = classifier(widths, activation, dropout, optimizer, learning_rate, seed)
    shape, size = "-".join(map(str, widths)), f"{net.count_params():,} weights"
    typer.echo(f"{shape}: {size}, {len(x):,} rows to train on, {len(x_test):,} to test")
    history = net.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=show)
    typer.echo(f"test accuracy {100 * net.evaluate(x_test, y_test, verbose=0, return_dict=True)['accuracy']:.2f} %")
    net.save(model)
    typer.echo(f"model saved to {model}")
    if curve:
        history.plot(curve)
        typer.echo(f"learning curve drawn to {curve}")


@app.command()
def evaluate(
    model: ModelFile,
    dataset: Set,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
):
    """Prints the loss and the metrics of a model on the test part of a data set."""
    from gpubp.saving import load_model

    net = load_model(model)
    ((x, y),) = read_set(dataset, "test")
    found = net.evaluate(fed(x, net), y, verbose=0, return_dict=True)
    typer.echo(json.dumps(found) if as_json else "\n".join(f"{name} {value:.6g}" for name, value in found.items()))


@app.command()
def predict(
    model: ModelFile,
    data: Annotated[str, typer.Argument(help="A .npy file of rows, or a data set: its test part.", metavar="INPUT")],
    output: Annotated[Path | None, typer.Option(help="A .npy file to write, in place of lines.")] = None,
    classes: Annotated[bool, typer.Option("--classes", help="Classes, in place of probabilities.")] = False,
):
    """Writes a model's outputs: a line a row, or one array into a file."""
    from gpubp.saving import load_model

    net = load_model(model)
    x = read_arrays(data) if Path(data).suffix == ".npy" else read_set(data, "test")[0][0]
    found = net.predict(fed(x, net), verbose=0)
    found = classes_of(found) if classes else found
    if output is None:
        np.savetxt(sys.stdout, found.reshape(len(found), -1), fmt="%d" if classes else "%.6g")
        return
    with output.open("wb") as file:  # np.save would add to a name that does not end in .npy
        np.save(file, found)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False):
    """Shows what gpubp finds on this machine, what is missing, and whether training works."""
    from gpubp.doctor import advice, examine, lines, trial

    facts = examine()
    if not as_json:
        typer.echo("\n".join(lines(facts)))
    tried, missing = trial(), advice(facts)
    if as_json:
        typer.echo(json.dumps({**facts, "training": tried, "advice": missing}, indent=1))
    else:
        typer.echo(f"{'training':15}{'works' if tried['works'] else 'fails'}: {tried['message']}")
        for one in missing:
            typer.echo(f"missing: {one['missing']}\n  {one['command']}")
    raise typer.Exit(0 if tried["works"] else 1)


def checked_curve(curve: Path | None, default: Path) -> Path | None:
    """Where the learning curve goes; None, with a note, if nobody asked for one and it can't be drawn."""
    if importlib.util.find_spec("matplotlib"):
        return curve or default
    needs = "a learning curve needs matplotlib: pip install 'gpubp[plot]'"
    if curve:
        raise ImportError(needs)
    typer.echo(f"no learning curve: {needs}", err=True)
    return None


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


def read_set(name: str, *parts: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(x, y) of each part, "train" or "test", of a data set."""
    if name == "mnist":
        from gpubp.datasets import mnist

        return [dict(zip(("train", "test"), mnist.load_data(), strict=True))[part] for part in parts]
    if Path(name).suffix != ".npz":
        raise ValueError(f"a data set is mnist or a .npz file; this is {name!r}")
    arrays = read_arrays(name)
    missing = [key for part in parts for key in (f"x_{part}", f"y_{part}") if key not in arrays]
    if missing:
        raise ValueError(f"{name} has no {', '.join(missing)}; it has {', '.join(arrays) or 'nothing'}")
    return [(arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in parts]


def read_arrays(name: str):
    """The array of a .npy file, or the arrays of a .npz file by name."""
    try:
        with open(name, "rb") as file:  # NumPy would leave it open if the archive is damaged
            found = np.load(file, allow_pickle=False)
            return found if isinstance(found, np.ndarray) else dict(found)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{name} holds no arrays of numbers that NumPy can read: {error}") from error


def scaled(x: np.ndarray) -> np.ndarray:
    """Bytes, as of pictures, as numbers from 0 to 1; all else as it is."""
    return x.astype(np.float32) / 255 if x.dtype == np.uint8 else x


def flat(x: np.ndarray) -> np.ndarray:
    """Rows of features."""
    if x.ndim < 2 or not x.size:
        raise ValueError(f"x must have rows of features; its shape is {x.shape}")
    return scaled(x.reshape(len(x), -1))


def fed(x: np.ndarray, net) -> np.ndarray:
    """Rows of the shape that a model takes, if they have as many features."""
    shape = (*x.shape[:1], *net.input_shape[1:])
    return scaled(x.reshape(shape) if x.size == math.prod(shape) else x)


def labels(y: np.ndarray) -> np.ndarray:
    """Numbers of classes. Raises ValueError if they are anything else."""
    if y.ndim != 1 or y.dtype.kind not in "iu" or not y.size:
        raise ValueError(f"y must hold an integer for each row; it has dtype {y.dtype} and shape {y.shape}")
    if y.min() < 0 or y.max() >= max(2, len(y)):
        raise ValueError(f"y must number the classes from 0; it reaches from {y.min()} to {y.max()}, for {len(y)} rows")
    return y


def classes_of(outputs: np.ndarray) -> np.ndarray:
    """The most probable class of each row; with one output, whether it is above 1/2."""
    if outputs.shape[-1] == 1:
        return (outputs[..., 0] > 0.5).astype(np.int64)
    return outputs.argmax(axis=-1)


def main():
    """The entry point of the command."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app()
