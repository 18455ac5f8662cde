"""Rows of numbers and categories."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

_MISSING = ("", "NA", None)


@dataclass(frozen=True, eq=False)
class Table:
    """The x of a data set whose columns are numbers and categories; `table[rows]` is the table of some of its rows.

    Attributes:
        numbers: float32 of shape (rows, k), NaN where a number is missing.
        categories: int32 of shape (rows, m); each code is an index into its column's levels.
        number_names: the names of the k columns of numbers.
        levels: the m columns of categories: for each name what its codes stand for.

    >>> table = Table(np.zeros((2, 1), np.float32), np.array([[1], [0]], np.int32), ("age",), {"sex": ("f", "m")})
    >>> [table.levels["sex"][code] for code in table[1:].categories[:, 0]]
    ['f']
    """

    numbers: np.ndarray
    categories: np.ndarray
    number_names: tuple[str, ...]
    levels: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> "Table":
        return replace(self, numbers=self.numbers[rows], categories=self.categories[rows])


@dataclass(frozen=True)
class Columns:
    """Which columns of a file make a `Table` and its targets.

    Attributes:
        numbers: the columns of numbers.
        categories: the columns of categories, each with its levels in their order, or without any: then they are those
            that occur, sorted.
        target: the column of the targets.
        classes: the classes that it holds, whose indices the targets then are; without any, it holds numbers.
        rows: how many rows there are with a target.
    """

    numbers: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    target: str
    rows: int
    classes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the arrays of `read`."""
        return ["numbers", "categories", "y", *(f"levels_{name}" for name in self.categories)]

    def read(self, rows: Iterable[Mapping[str, Any]]) -> dict[str, np.ndarray]:
        """The rows, one at a time, as arrays.

        Arguments:
            rows: for each row a value, text or number, by the name of its column. A number or target is missing if it
                is None, "" or "NA"; these are levels of categories as any others. Rows without a target are left out.

        Returns:
            `numbers`, `categories` as in a `Table`; `y`: float32, or uint8 for classes, of shape (rows,); and the
            levels of each category as text.

        Raises:
            KeyError: a column is missing, or a value is none of the levels or classes.
            ValueError: text where there should be a number, or another number of rows.
        """
        codes = {name: _Codes(levels) for name, levels in self.categories.items()}
        classes = _Codes(self.classes)
        target: Callable = classes.__getitem__ if self.classes else _number
        kind = np.dtype(
            [
                ("numbers", np.float32, (len(self.numbers),)),
                ("categories", np.int32, (len(codes),)),
                ("y", np.uint8 if self.classes else np.float32),
            ]
        )
        table = np.fromiter(
            (
                (
                    tuple(_number(row[name]) for name in self.numbers),
                    tuple(found[row[name]] for name, found in codes.items()),
                    target(row[self.target]),
                )
                for row in rows
                if row[self.target] not in _MISSING
            ),
            kind,
        )
        if len(table) != self.rows:
            raise ValueError(f"there are {len(table)} rows, not {self.rows}")
        arrays = {name: np.ascontiguousarray(table[name]) for name in kind.names or ()}
        for column, (name, found) in enumerate(codes.items()):
            arrays[f"levels_{name}"], ranks = found.sorted()
            arrays["categories"][:, column] = ranks[arrays["categories"][:, column]]
        return arrays

    def table(self, arrays: Mapping[str, np.ndarray]) -> Table:
        """The table that the arrays of `read` hold."""
        levels = {name: tuple(arrays[f"levels_{name}"].tolist()) for name in self.categories}
        return Table(arrays["numbers"], arrays["categories"], self.numbers, levels)


class _Codes(dict):
    """The code of each level: those given, or else all that come, in the order of their first occurrence."""

    def __init__(self, levels: tuple[str, ...]) -> None:
        super().__init__((level, code) for code, level in enumerate(levels))
        self.fixed = bool(levels)

    def __missing__(self, level: str) -> int:
        if self.fixed:
            raise KeyError(f"{level!r} is none of {', '.join(self)}")
        self[level] = code = len(self)
        return code

    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """The levels, sorted unless they were given, and the place there of each code."""
        levels = np.array(list(self))
        order = np.arange(len(levels)) if self.fixed else np.argsort(levels)
        return levels[order], np.argsort(order).astype(np.int32)


def _number(value: Any) -> float:
    return float("nan") if value in _MISSING else float(value)
