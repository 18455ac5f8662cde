"""What callers pass to `fit` and its kin, as arrays by rows: checked before anything changes."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import numpy as np

from gpubp.backend import asnumpy, current_device
from gpubp.engine import trees
from gpubp.names import lookup
from gpubp.training import frames
from gpubp.training.frames import NUMBERS
from gpubp.training.programs import Source, Sources

SPARSE_PARTS = {"data": None, "indices": np.int32, "indptr": np.int64}
SCANNED = 1 << 22  # elements that are looked at together for what is not finite


@dataclass
class Rows:
    """Arrays of as many rows: a model's inputs, its targets and the weights of the rows.

    Arguments:
        inputs, targets: arrays; inputs may be SciPy's CSR matrices, and both arrays of the device that computes.
        weights: of each output an array, or None; empty if no output has any.
    """

    inputs: list
    targets: list = field(default_factory=list)
    weights: list = field(default_factory=list)

    def __len__(self):
        return self.inputs[0].shape[0]

    @property
    def named(self) -> dict[str, Any]:
        """The arrays by the names of their segments."""
        kinds = (("x", self.inputs), ("y", self.targets), ("w", self.weights))
        pairs = (pair for kind, arrays in kinds for pair in zip(segments_of(kind, len(arrays)), arrays, strict=True))
        return {name: a for name, a in pairs if a is not None}

    def sources(self) -> Sources:
        """What a program needs to know of the arrays."""
        kinds = (("x", self.inputs), ("y", self.targets), ("w", self.weights))
        return Sources(*(tuple(map(_source, segments_of(kind, len(a)), a)) for kind, a in kinds))  # type: ignore[arg-type]

    def segments(self) -> dict[str, np.ndarray]:
        """The arrays as programs read them, by segment."""
        found: dict[str, Any] = {}
        for name, a in self.named.items():
            if is_sparse(a):
                found |= {f"{name}.{p}": np.asarray(getattr(a, p), d or a.dtype) for p, d in SPARSE_PARTS.items()}
            else:
                found[name] = a if on_device(a) else np.ascontiguousarray(a)
        return found

    def __getitem__(self, part: slice) -> "Rows":
        return Rows(*([None if a is None else a[part] for a in x] for x in (self.inputs, self.targets, self.weights)))

    def split(self, share: float) -> tuple["Rows", "Rows"]:
        """The rows of training and of validation: the last share of them, as in Keras.

        Raises ValueError if the share is not between 0 and 1 or leaves one side without rows.
        """
        if isinstance(share, bool) or not isinstance(share, Real) or not 0 < share < 1:
            raise ValueError(f"validation_split must be a number between 0 and 1; it is {share!r}")
        held = int(len(self) * (1 - share))
        if held in (0, len(self)):
            raise ValueError(f"validation_split={share} of {len(self)} rows leaves one side empty")
        return self[:held], self[held:]


def segments_of(kind: str, n: int) -> list[str]:
    """The names of the segments of n arrays of a kind: "x", or "x0", "x1", ... of several."""
    return [kind] if n == 1 else [f"{kind}{k}" for k in range(n)]


def _source(name, array) -> Source | None:
    return None if array is None else Source(name, np.dtype(array.dtype), tuple(array.shape[1:]), is_sparse(array))


def is_sparse(x) -> bool:
    """Whether this is a sparse array or matrix of SciPy's."""
    return hasattr(x, "tocsr")


def on_device(x) -> bool:
    """Whether this is an array of a device that is not the host: read where it lies, and looked at by kernels alone."""
    return hasattr(x, "__cuda_array_interface__")


def on_host(x):
    """An array, or None, where the host can read it."""
    return asnumpy(x) if on_device(x) else x


def checked(name: str, given, shape: tuple | None = None):
    """An array of numbers with rows, in a dtype that programs read; sparse ones as CSR, those of the device as theirs.

    Raises TypeError for other dtypes, and ValueError where there are no rows or the shape of a row is not `shape`.
    """
    there = current_device().adopt(given)
    array = _csr(name, given) if is_sparse(given) else frames.dense(name, given) if there is None else there
    if array.dtype.kind not in NUMBERS:
        raise TypeError(f"{name} must hold numbers; its dtype is {array.dtype}")
    if array.ndim == 0 or 0 in array.shape:
        what = "numbers in its rows" if array.shape[:1] > (0,) else "rows"
        raise ValueError(f"{name} must have {what}; its shape is {array.shape}")
    if shape is not None and array.shape[1:] != shape and not (shape == (1,) and array.ndim == 1):
        wanted = ", ".join(["rows", *map(str, shape)])
        raise ValueError(f"{name} must have shape ({wanted}); its shape is {array.shape}")
    if shape == (1,) and array.ndim == 1:
        array = array.reshape(-1, 1)
    return _in_known_dtype(array)


def _csr(name: str, given):
    """As CSR. Raises ValueError if its indices lead outside of it, where kernels would follow them."""
    array = given.tocsr()
    try:
        array.check_format(full_check=True)
    except ValueError as error:
        raise ValueError(f"{name} is no valid sparse matrix: {error}") from None
    return array


def _in_known_dtype(array):
    """In a dtype that programs read: of at most 8 bytes in this machine's order, and no float16."""
    known = array.dtype.newbyteorder("=")
    if known.kind == "f" and known.itemsize not in (4, 8):
        known = np.dtype(np.float32 if known.itemsize == 2 else np.float64)
    return array if array.dtype == known else array.astype(known)


def finite(name: str, array):
    """Raises ValueError if an array in the host's memory, where there is one, holds NaN or an infinity."""
    if array is None or on_device(array):
        return
    values = array.data if is_sparse(array) else array
    if _on_disk(values) or values.dtype.kind != "f":
        return  # what lies on a disk, or a device, is read once, in training, which stops at what is not finite
    step = max(1, SCANNED // max(1, values[0].size if len(values) else 1))
    for start in range(0, len(values), step):
        part = values[start : start + step]
        with np.errstate(over="ignore", invalid="ignore"):
            if np.isfinite(part.sum()):
                continue
        wrong = np.argwhere(~np.isfinite(part))
        if len(wrong):
            where = "" if is_sparse(array) else f", first in row {start + wrong[0][0]}"
            value = part[tuple(wrong[0])]
            raise ValueError(f"{name} holds values that are not finite ({value}{where}): remove or replace them first")


def _on_disk(array) -> bool:
    while array is not None and not isinstance(array, np.memmap):
        array = getattr(array, "base", None)
    return array is not None


def same_rows(rows: Rows):
    """Raises ValueError if the numbers of rows differ."""
    lengths = {name: a.shape[0] for name, a in rows.named.items()}
    if len(set(lengths.values())) > 1:
        told = {"x": "x", "y": "y", "w": "sample_weight"}
        words = [f"{told[n[0]]}{n[1:]} has {k} rows" for n, k in lengths.items()]
        raise ValueError(f"{' and '.join(words)}; they must be as many")


def leaves(what: str, given, names: list[str], unpack: bool = True, optional: Collection[str] = ()) -> list:
    """The parts of an argument by the names of a model's inputs or outputs.

    A dict is taken by name, a list or tuple by position where there are several; anything else is the only part.

    Arguments:
        what: the argument.
        given: its value.
        names: of the parts.
        unpack: whether a list of one array is that array. Default True.
        optional: names that a dict may leave out: their parts are None. Default none.

    Raises:
        ValueError: if names or numbers differ.
    """
    if isinstance(given, dict) and not is_sparse(given):
        for name in given:
            lookup(f"name in {what}", str(name), dict.fromkeys(names))
        missing = [name for name in names if name not in given and name not in optional]
        if missing:
            raise ValueError(f"{what} has {sorted(given)}, but no {missing}")
        return [given.get(name) for name in names]
    if len(names) == 1:
        only = isinstance(given, list | tuple) and len(given) == 1 and np.ndim(given[0]) > 0 and unpack
        return [given[0] if only and hasattr(given[0], "shape") else given]
    if not isinstance(given, list | tuple) or len(given) != len(names):
        had = f"{len(given)}" if isinstance(given, list | tuple) else f"one {type(given).__name__}"
        raise ValueError(f"{what} is a list of {len(names)} arrays or a dict by the names {names}; it is {had}")
    return list(given)


def class_weights(labels, class_weight: dict, n: int) -> np.ndarray:
    """The weight of each row by its class: labels (n,) or (n, 1), or one-hot (n, classes); others weigh 1."""
    if not isinstance(class_weight, dict):
        raise TypeError(f"class_weight is a dict of labels to weights; it is {class_weight!r}")
    y = labels.toarray() if is_sparse(labels) else asnumpy(labels)
    y = y.argmax(-1) if y.ndim == 2 and y.shape[1] > 1 else np.rint(y.reshape(n)).astype(np.int64)
    weights = np.ones(n, np.float32)
    for label, weight in class_weight.items():
        if isinstance(label, bool | str) or int(label) != label:
            raise ValueError(f"class_weight is by labels, which are ints; {label!r} is none")
        if not isinstance(weight, int | float | np.number) or not 0 <= weight < np.inf:
            raise ValueError(f"class_weight[{label!r}] must be a number of at least 0; it is {weight!r}")
        weights[y == label] = weight
    return weights


@dataclass
class Stream:
    """Batches that come one after the other, already put together.

    Arguments:
        batches: gives an iterator over the batches of an epoch, from a number of the epoch and an order.
        length: of an epoch, in batches; None if it is known only at its end.
        random_access: whether batches can be had in any order, and again.
        begin, end: called around each epoch.
        size: batches to choose from, where they can be had in any order; as many as `length`, or more.
    """

    batches: Callable[[np.ndarray | None], Iterator]
    length: int | None
    random_access: bool
    begin: Callable[[], Any] = lambda: None
    end: Callable[[], Any] = lambda: None
    size: int = 0


def as_stream(x, steps: int | None) -> Stream | None:
    """A Stream where `x` is a Sequence (indexing and a length) or an iterable of batches; None for arrays.

    Arguments:
        x: what `fit` got.
        steps: batches that make up an epoch; needed where there is no end. Default all.
    """
    if isinstance(x, np.ndarray | dict | list | tuple) or hasattr(x, "__array__") or hasattr(x, "dtypes"):
        return None
    if hasattr(x, "tocsr") or hasattr(x, "__dlpack__") or hasattr(x, "__cuda_array_interface__"):
        return None
    if hasattr(x, "__getitem__") and hasattr(x, "__len__"):
        size = len(x)
        n = size if steps is None else min(steps, size)
        begin, end = (getattr(x, f"on_epoch_{when}", lambda: None) for when in ("begin", "end"))
        return Stream(
            lambda order: (x[int(k)] for k in (range(n) if order is None else order)), n, True, begin, end, size
        )
    if hasattr(x, "__next__"):
        return Stream(lambda order: _first(x, steps), steps, False)
    if hasattr(x, "__iter__"):
        length = len(x) if hasattr(x, "__len__") else None
        return Stream(lambda order: _first(iter(x), steps), steps or length, False)
    return None


def length(source: Rows | Stream, most: int | None) -> int | None:
    """How many rows will be read, `most` of them at most; None where only a stream knows."""
    if isinstance(source, Stream):
        return None
    return len(source) if most is None else min(len(source), most)


def _first(iterator, n):
    """As many items as `n`; one more is never asked for."""
    if n is None:
        yield from iterator
        return
    for _ in range(n):
        try:
            yield next(iterator)
        except StopIteration:
            return


def unpacked(batch) -> tuple:
    """(x, y, sample_weight) of what a stream gives: x alone, or (x,), (x, y), (x, y, sample_weight), lists as well."""
    if not isinstance(batch, tuple | list):
        return batch, None, None
    if not 1 <= len(batch) <= 3:
        raise ValueError(f"a batch is (x,), (x, y) or (x, y, sample_weight); this has {len(batch)} parts")
    return (*batch, None, None)[:3]


def structure_of(tree):
    """The same structure with the numbers of its leaves."""
    return trees.like(tree, range(len(trees.flatten(tree))))
