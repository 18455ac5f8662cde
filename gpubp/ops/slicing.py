"""Indexing: what stands in square brackets, and the functions that are made of slices.

Where a dimension is the number of rows, known only at run time, a slice must fit for every number of rows from 1 on.
"""

from builtins import slice as Slice  # noqa: N812 - `slice` is Keras's function here
from dataclasses import dataclass, field
from operator import index

import numpy as np

from gpubp.ops.indexing import take
from gpubp.ops.joining import concatenate
from gpubp.ops.moves import slice_op
from gpubp.ops.registry import dims, graph_of, resolved, value
from gpubp.ops.shapes import Dim, never_negative, normal_axes, normal_axis, public
from gpubp.ops.shaping import reshape

ALL = Slice(None)


def getitem(x, key):
    """x[key] for ints, slices, `...`, None, and one array of integers, which takes along its axis.

    Raises IndexError for an int out of range; ValueError for slices of the rows that do not fit every number of rows;
    TypeError for keys that are not supported, such as masks.
    """
    x, key = value(x), key if isinstance(key, tuple) else (key,)
    if graph_of(x, *key) is None:
        return np.asarray(x)[key]
    selection = _Selection(dims(x))
    for entry in _without_ellipsis(key, len(dims(x))):
        selection.add(entry)
    y = reshape(_sliced(x, *selection.walk), tuple(selection.kept))
    return y if selection.indices is None else take(y, selection.indices, selection.indexed_axis)


def _without_ellipsis(key, rank):
    """The key with an entry for each axis, None (a new axis) beside them."""
    count = sum(entry is not None and entry is not Ellipsis for entry in key)
    where = next((k for k, entry in enumerate(key) if entry is Ellipsis), len(key))
    if count > rank or any(entry is Ellipsis for entry in key[where + 1 :]):
        raise IndexError(f"{count} indices do not fit an array of {rank} dimensions, or `...` stands there twice")
    return (*key[:where], *(ALL,) * (rank - count), *key[where + 1 :])


@dataclass
class _Selection:
    """What a key selects of an array, axis by axis."""

    shape: tuple
    start: list = field(default_factory=list)
    step: list = field(default_factory=list)
    count: list = field(default_factory=list)
    kept: list = field(default_factory=list)  # the shape without the axes of ints, with new ones
    indices: object = None
    indexed_axis: int = 0

    @property
    def walk(self):
        return self.start, self.step, self.count

    def add(self, entry):
        if entry is None:
            self.kept.append(1)
            return
        n = self.shape[len(self.start)]
        if isinstance(entry, Slice):
            self._walk(*_slice_of(entry, n))
            self.kept.append(self.count[-1])
        elif isinstance(entry, int | np.integer) and not isinstance(entry, bool):
            self._walk(_position(index(entry), n), 1, 1)
        else:
            self._index(entry, n)

    def _index(self, entry, n):
        if not hasattr(entry, "dims"):
            entry = np.asarray(entry)
        if np.dtype(entry.dtype).kind not in "iu" or self.indices is not None:
            raise TypeError(
                "while recording, arrays are indexed by ints, slices, `...`, None and one array of integers; "
                f"got {entry!r}. ops.where chooses by a mask"
            )
        self.indices, self.indexed_axis = entry, len(self.kept)
        self._walk(0, 1, n)
        self.kept.append(n)

    def _walk(self, start, step, count):
        self.start.append(start)
        self.step.append(step)
        self.count.append(count)


def _position(i: int, n):
    """The index of an element, from the front."""
    found = i if i >= 0 else n + i
    if not (never_negative(found) and never_negative(n - 1 - found)):
        raise IndexError(f"index {i} is out of range for {n} elements")
    return found


def _slice_of(s: Slice, n):
    """First element, step and number of elements."""
    if not isinstance(n, Dim) and all(x is None or graph_of(x) is None for x in (s.start, s.stop)):
        begin, _, step = s.indices(n)
        return begin, step, len(range(*s.indices(n)))
    step = 1 if s.step is None else index(s.step)
    first, last = (0, n) if step > 0 else (n - 1, -1)
    begin, end = (
        default if bound is None else _counted(resolved(bound)[0], n)
        for bound, default in ((s.start, first), (s.stop, last))
    )
    inside = (begin, n - end) if step > 0 else (n - 1 - begin, end + 1)
    length = (end - begin) if step > 0 else (begin - end)
    if not all(map(never_negative, (*inside, length))):
        raise ValueError(f"the slice {_shown(s)} of {n} elements does not fit every number of rows B from 1 on")
    return begin, step, length // abs(step)


def _counted(bound, n):
    """A bound counted from the front."""
    return n + bound if isinstance(bound, int) and bound < 0 else bound


def _shown(s: Slice) -> str:
    bounds = (s.start, s.stop) if s.step is None else (s.start, s.stop, s.step)
    return ":".join("" if b is None else str(b) for b in bounds)


def _sliced(x, start, step, count):
    start, step, count = tuple(start), tuple(step), tuple(count)
    whole = count == dims(x) and all(a == 0 for a in start) and all(s == 1 for s in step)
    return x if whole else slice_op(x, start=start, step=step, shape=count)


def slice(inputs, start_indices, shape):
    """The block of `shape` that begins at `start_indices`, both of one int for each axis. Raises ValueError outside."""
    x = value(inputs)
    start, count = block(x, start_indices, shape)
    return _sliced(x, start, (1,) * len(start), count)


def block(x, start, shape):
    """Where a block begins and its shape. Raises ValueError if it is not within `x`."""
    start, count = resolved(start), resolved(shape)
    outside = len(start) != len(dims(x)) or len(count) != len(dims(x))
    if outside or not all(
        map(never_negative, (*start, *count, *(n - a - c for n, a, c in zip(dims(x), start, count, strict=True))))
    ):
        raise ValueError(f"the block of {public(count)} at {start} is not within an array of {public(dims(x))}")
    return start, count


def split(x, indices_or_sections, axis=0) -> list:
    """Parts along an axis: so many equal ones (an int), or those that begin at each of several indices.

    Raises ValueError if equal parts are not possible.

    >>> from gpubp import ops
    >>> [part.tolist() for part in ops.split([1, 2, 3, 4], [1, 3])]
    [[1], [2, 3], [4]]
    """
    x = value(x)
    axis = normal_axis(axis, len(dims(x)))
    n = dims(x)[axis]
    if isinstance(indices_or_sections, int | np.integer):
        sections = index(indices_or_sections)
        if isinstance(n, int) and n % sections:
            raise ValueError(f"{n} elements along axis {axis} can't be split into {sections} equal parts")
        each = n // sections
        bounds = [each * k for k in range(1, sections)]
    else:
        bounds = list(resolved(indices_or_sections))
    lead = (ALL,) * axis
    pairs = zip([None, *bounds], [*bounds, None], strict=True)
    return [getitem(x, (*lead, Slice(a, b))) for a, b in pairs]


def unstack(x, num=None, axis=0) -> list:
    """The arrays along an axis, which `stack` would put together; `num`, if given, must be their number."""
    x = value(x)
    axis = normal_axis(axis, len(dims(x)))
    n = dims(x)[axis]
    if not isinstance(n, int) or num not in (None, n):
        raise ValueError(f"unstack needs a fixed number of arrays; there are {n} along axis {axis}, num is {num}")
    return [getitem(x, (*(ALL,) * axis, k)) for k in range(n)]


def flip(x, axis=None):
    """The elements in reverse order along the axes (None: all, an int or several)."""
    x = value(x)
    axes = normal_axes(axis, len(dims(x)))
    return getitem(x, tuple(Slice(None, None, -1) if d in axes else ALL for d in range(len(dims(x)))))


def roll(x, shift, axis=None):
    """The elements moved `shift` places along an axis, round the end; by default in the flattened array."""
    x = value(x)
    if axis is None:
        return reshape(roll(reshape(x, (-1,)), shift, 0), dims(x))
    if not isinstance(axis, int):
        shifts = (shift,) * len(axis) if isinstance(shift, int) else shift
        for s, a in zip(shifts, axis, strict=True):
            x = roll(x, s, a)
        return x
    axis = normal_axis(axis, len(dims(x)))
    n = dims(x)[axis]
    cut = -shift % n if isinstance(n, int) and n else -shift
    return concatenate(split(x, [cut], axis)[::-1], axis) if cut else x
