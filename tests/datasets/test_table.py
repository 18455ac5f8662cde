"""Tables out of rows, CSV and Parquet files, and the drawing of a test part."""

import csv
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import OrdinalEncoder

from gpubp.datasets.files import csv_rows, parquet_rows
from gpubp.datasets.split import split
from gpubp.datasets.table import Columns, Table

COLUMNS = Columns(numbers=("a", "b"), categories={"c": (), "d": ("low", "high")}, target="t", rows=3)
ROWS = [
    {"a": "1", "b": "2.5", "c": "x", "d": "high", "t": "10"},
    {"a": "", "b": "NA", "c": "NA", "d": "low", "t": "20"},
    {"a": "-3", "b": "1e2", "c": "x", "d": "low", "t": "30"},
]


def changed(**values):
    return [*ROWS[:2], ROWS[2] | values]


def test_rows_become_a_table():
    arrays = COLUMNS.read(iter(ROWS))
    assert sorted(arrays) == sorted(COLUMNS.names)
    np.testing.assert_array_equal(arrays["numbers"], np.float32([[1, 2.5], [np.nan, np.nan], [-3, 100]]))
    np.testing.assert_array_equal(arrays["y"], np.float32([10, 20, 30]))
    table = COLUMNS.table(arrays)
    assert table.number_names == ("a", "b")
    assert table.levels == {"c": ("NA", "x"), "d": ("low", "high")}
    assert table.categories.tolist() == [[1, 1], [0, 0], [1, 0]]
    assert (table.numbers.dtype, table.categories.dtype, len(table)) == (np.float32, np.int32, 3)
    assert table[[2, 0]].categories.tolist() == [[1, 0], [1, 1]]
    assert len(table[1:]) == 2


def test_classes_are_numbered_in_their_order():
    columns = Columns(("a",), {}, target="d", rows=3, classes=("low", "high"))
    arrays = columns.read(ROWS)
    assert arrays["y"].tolist() == [1, 0, 0]
    assert arrays["y"].dtype == np.uint8
    assert arrays["categories"].shape == (3, 0)


@given(st.lists(st.text("abc?", min_size=1), min_size=1))
def test_found_levels_are_those_of_scikit_learn(levels):
    arrays = Columns((), {"c": ()}, "t", len(levels)).read({"c": level, "t": 0} for level in levels)
    encoder = OrdinalEncoder()
    np.testing.assert_array_equal(arrays["categories"], encoder.fit_transform(np.array(levels)[:, None]))
    assert arrays["levels_c"].tolist() == encoder.categories_[0].tolist()


@pytest.mark.parametrize("missing", ["", "NA", None])
def test_rows_without_a_target_are_left_out(missing):
    columns = Columns(("a",), {"c": ()}, "t", 2)
    arrays = columns.read(changed(t=missing, c="nowhere else"))
    assert arrays["y"].tolist() == [10, 20]
    assert arrays["levels_c"].tolist() == ["NA", "x"]


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (changed(b="much"), ValueError, "'much'"),
        (changed(d="medium"), KeyError, "'medium' is none of low, high"),
        (ROWS[:2], ValueError, "there are 2 rows, not 3"),
        ([{"a": 1}], KeyError, "t"),
    ],
)
def test_unexpected_rows_are_refused(rows, error, message):
    with pytest.raises(error, match=message):
        COLUMNS.read(rows)


def test_csv_rows_with_quotes_and_lines_within():
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["a", "b, c"])
    writer.writeheader()
    rows = [{"a": "é", "b, c": 'x "y"\nz'}, {"a": "", "b, c": "2"}]
    writer.writerows(rows)
    assert list(csv_rows(io.BytesIO(text.getvalue().encode()))) == rows


@pytest.mark.parametrize("compression", ["brotli", "none"])
def test_parquet_rows(compression):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [{"a": k, "b": k / 2, "c": str(k % 3)} for k in range(10_000)] + [{"a": None, "b": None, "c": None}]
    file, wheel = io.BytesIO(), io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), file, compression=compression)
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("data/rows.parquet", file.getvalue())
    assert list(parquet_rows(wheel, "data/rows.parquet")) == rows


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True), st.integers(0, 2**32 - 1))
def test_split_parts_the_rows_as_keras_does(count, test_split, seed):
    x, y = np.arange(count)[:, None], np.arange(count)
    (x_train, y_train), (x_test, y_test) = split(x, y, test_split, seed)
    indices = np.arange(count)
    np.random.RandomState(seed).shuffle(indices)
    assert y_train.tolist() == indices[: int(count * (1 - test_split))].tolist()
    assert y_test.tolist() == indices[int(count * (1 - test_split)) :].tolist()
    np.testing.assert_array_equal(x_train[:, 0], y_train)
    np.testing.assert_array_equal(x_test[:, 0], y_test)


def test_split_keeps_the_columns_of_a_table_together():
    y = np.arange(20)
    table = Table(np.float32(y)[:, None], np.int32(y)[:, None], ("n",), {"c": tuple(map(str, y))})
    for part, targets in split(table, y, 0.3, 1):
        np.testing.assert_array_equal(part.numbers[:, 0], targets)
        np.testing.assert_array_equal(part.categories[:, 0], targets)


@pytest.mark.parametrize("test_split", [-0.1, 1, 1.5, float("nan")])
def test_split_refuses(test_split):
    with pytest.raises(ValueError, match="test_split must be at least 0 and less than 1"):
        split(np.zeros(3), np.zeros(3), test_split, 0)
