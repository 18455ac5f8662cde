"""How rows of several arrays lie in a block of memory, and what brings them there."""

from collections.abc import Callable, Iterator
from functools import partial
from math import prod

import numpy as np

from gpubp.training import data
from gpubp.training.data import SPARSE_PARTS, Rows

ALIGN = 256  # bytes, of what begins in a block


class Layout:
    """Arrays one after the other in a block of bytes.

    Arguments:
        arrays: their dtypes and shapes, by segment.
    """

    def __init__(self, arrays: dict[str, tuple[np.dtype, tuple[int, ...]]]):
        self.places, self.nbytes = {}, 0
        for segment, (dtype, shape) in arrays.items():
            nbytes = prod(shape) * dtype.itemsize
            self.places[segment] = slice(self.nbytes, self.nbytes + nbytes), dtype, shape
            self.nbytes += -(-nbytes // ALIGN) * ALIGN

    def views(self, block) -> dict:
        """The arrays in a block, of the host or of a device, by segment."""
        return {s: block[place].view(dtype).reshape(shape) for s, (place, dtype, shape) in self.places.items()}


class Packing:
    """Puts rows of arrays into blocks.

    Arguments:
        rows: the arrays; those that lie on a device are copied to the host.
    """

    def __init__(self, rows: Rows):
        self.arrays = {name: data.on_host(a) for name, a in rows.named.items()}
        sparse = {name: a for name, a in self.arrays.items() if data.is_sparse(a)}
        self.stored = {name: np.diff(a.indptr) for name, a in sparse.items()}  # elements of each row
        self._most = {name: np.cumsum(np.sort(n)[::-1]) for name, n in self.stored.items()}  # of any 1, 2, ... rows

    def size(self, rows: int) -> int:
        """The bytes that a block of so many rows takes at most, whichever they are."""
        return self._layout(rows, {name: int(most[rows - 1]) for name, most in self._most.items()}).nbytes

    def layout(self, picked: np.ndarray) -> Layout:
        """Of a block that holds these rows."""
        return self._layout(len(picked), {name: int(n[picked].sum()) for name, n in self.stored.items()})

    def tasks(self, views: dict[str, np.ndarray], picked: np.ndarray, shares: int) -> Iterator[Callable[[], None]]:
        """What brings these rows into the arrays of a block: functions that may run beside each other.

        Arguments:
            shares: into which the rows of a dense array are divided.
        """
        for name, array in self.arrays.items():
            if data.is_sparse(array):
                yield partial(_pick_sparse, array, picked, {part: views[f"{name}.{part}"] for part in SPARSE_PARTS})
            else:
                pairs = zip(np.array_split(picked, shares), np.array_split(views[name], shares), strict=True)
                yield from (partial(_pick, array, *pair) for pair in pairs)

    def _layout(self, rows: int, stored: dict[str, int]) -> Layout:
        found: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
        for name, a in self.arrays.items():
            if name in stored:
                lengths = {"data": stored[name], "indices": stored[name], "indptr": rows + 1}
                found |= {f"{name}.{p}": (np.dtype(d or a.dtype), (lengths[p],)) for p, d in SPARSE_PARTS.items()}
            else:
                found[name] = a.dtype, (rows, *a.shape[1:])
        return Layout(found)


def _pick(array, picked, out):
    if array.flags.c_contiguous:
        np.take(array, picked, axis=0, out=out, mode="clip")  # in any other mode it would fill a buffer first
    else:
        out[...] = array[picked]  # `take` would bring all of the array into order first


def _pick_sparse(matrix, picked, out: dict[str, np.ndarray]):
    found = matrix[picked]
    for part, view in out.items():
        view[...] = getattr(found, part)
