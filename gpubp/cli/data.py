"""Data sets and arrays as the commands take them."""

import math
import zipfile
from pathlib import Path

import numpy as np

from gpubp.cli.errors import UsageError


def read_set(name: str, *parts: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """(x, y) of each part, "train" or "test", of a data set."""
    if name == "mnist":
        from gpubp.datasets import mnist

        return [dict(zip(("train", "test"), mnist.load_data(), strict=True))[part] for part in parts]
    if Path(name).suffix != ".npz":
        raise UsageError(f"a data set is mnist or a .npz file; this is {name!r}")
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
