"""Every public function of `gpubp.ops`, with inputs and what NumPy, autograd's NumPy or SciPy make of them.

A case's function gets the module to compute with first, so that one text often serves both sides. Shapes may begin with
B, the number of rows. Add a case where you add a function: a test compares the names with those of the module.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from gpubp.ops.shapes import B


@dataclass
class Case:
    """A function of `gpubp.ops`, its inputs and its oracle."""

    name: str
    inputs: tuple  # shapes, filled with random numbers, and arrays
    ours: Callable[..., Any]
    theirs: Callable[..., Any] | None = None  # None: the same text with NumPy's functions
    order: int = 2  # of differences that gradients are held against; 0 where there is no gradient
    autograd: bool = True  # whether autograd can differentiate their side
    domain: tuple[float, float] = (-2.0, 2.0)

    @property
    def oracle(self):
        return self.theirs or self.ours


@dataclass
class Ints:
    """Whole numbers, drawn from `low` to `high` - 1."""

    shape: tuple
    low: int
    high: int


def case(name, inputs, ours, theirs=None, **rest):
    return Case(name, inputs, ours, theirs, **rest)


def value(name, inputs, ours, theirs=None, **rest):
    """A function without a gradient."""
    return Case(name, inputs, ours, theirs, order=0, autograd=False, **rest)


def by_numpy(name, inputs, ours, theirs=None, **rest):
    """A function whose oracle autograd does not know."""
    return Case(name, inputs, ours, theirs, autograd=False, **rest)


X, CUBE = (B, 6), (B, 2, 3)
INDEX = np.array([[2, 0], [-1, 2]])
LABELS = np.array([2, 0, 1])

SHAPING = [
    case("reshape", (X,), lambda o, x: o.reshape(x, (-1, 3))),
    case("reshape", (X,), lambda o, x: o.reshape(x, (o.shape(x)[0], 3, 2))),
    case("reshape", (X,), lambda o, x: o.reshape(x, (o.shape(x)[0] * 2, -1))),
    case("ravel", (CUBE,), lambda o, x: o.ravel(x)),
    case("squeeze", ((B, 1, 3, 1),), lambda o, x: o.squeeze(x, 1)),
    case("squeeze", ((3, 1, 2, 1),), lambda o, x: o.squeeze(x)),
    case("expand_dims", (X,), lambda o, x: o.expand_dims(x, 1)),
    case("expand_dims", (X,), lambda o, x: o.expand_dims(x, (0, -1)), lambda o, x: x[None, :, :, None]),
    by_numpy("broadcast_to", ((6,),), lambda o, x: o.broadcast_to(x, (4, 6))),
    case("transpose", (X,), lambda o, x: o.transpose(x)),
    case("transpose", (CUBE,), lambda o, x: o.transpose(x, (2, 0, 1))),
    by_numpy("transpose", ((B, 2, 3, 5),), lambda o, x: o.transpose(x, (0, 2, -3, 3))),
    case("transpose", ((B, 2, 3, 5),), lambda o, x: o.transpose(x, (3, 1, 0, 2))),
    case("swapaxes", (CUBE,), lambda o, x: o.swapaxes(x, 0, -1)),
    case("moveaxis", (CUBE,), lambda o, x: o.moveaxis(x, 0, -1)),
    case("moveaxis", ((B, 2, 3, 4),), lambda o, x: o.moveaxis(x, (0, 3), (1, 0))),
    case("repeat", (X,), lambda o, x: o.repeat(x, 2, axis=1)),
    case("repeat", (X,), lambda o, x: o.repeat(x, 3, axis=0)),
    case("repeat", (X,), lambda o, x: o.repeat(x, 3)),
    case("tile", (X,), lambda o, x: o.tile(x, (2, 3))),
    by_numpy("tile", (X,), lambda o, x: o.tile(x, 2)),
    by_numpy("tile", ((6,),), lambda o, x: o.tile(x, (2, 1))),
    case("concatenate", (X, (B, 2), (B, 1)), lambda o, x, y, z: o.concatenate([x, y, z], axis=1)),
    case("concatenate", (X, (2, 6)), lambda o, x, y: o.concatenate([x, y])),
    case("concatenate", (X, X), lambda o, x, y: o.concatenate([x, y], axis=0)),
    case("stack", (X, X), lambda o, x, y: o.stack([x, y], axis=1)),
    case("stack", (X, X), lambda o, x, y: o.stack([x, y], axis=-1)),
    case("stack", (X, X), lambda o, x, y: o.stack([x, y])),
    case("split", (X,), lambda o, x: o.split(x, 3, axis=1)[1]),
    case("split", (X,), lambda o, x: o.concatenate(o.split(x, [1, 4], axis=-1)[::-1], 1)),
    case("split", ((2 * B, 3),), lambda o, x: o.split(x, 2)[1]),
    case("unstack", (X,), lambda o, x: o.unstack(x, axis=1)[4], lambda o, x: x[:, 4]),
    case("flip", (X,), lambda o, x: o.flip(x), lambda o, x: x[::-1, ::-1]),
    case("flip", (CUBE,), lambda o, x: o.flip(x, (0, -1)), lambda o, x: x[::-1, :, ::-1]),
    case("roll", (X,), lambda o, x: o.roll(x, 2, axis=1)),
    case("roll", (X,), lambda o, x: o.roll(x, -1, axis=0)),
    by_numpy("roll", (X,), lambda o, x: o.roll(x, (1, -2), axis=(0, 1))),
    case("roll", ((3, 4),), lambda o, x: o.roll(x, 5)),
    case("pad", (X,), lambda o, x: o.pad(x, 2), lambda o, x: o.pad(x, 2, "constant")),
    case("pad", (X,), lambda o, x: o.pad(x, ((1, 0), (0, 2))), lambda o, x: o.pad(x, ((1, 0), (0, 2)), "constant")),
    by_numpy(
        "pad",
        (X,),
        lambda o, x: o.pad(x, ((0, 1), (2, 0)), constant_values=3.5),
        lambda o, x: np.pad(x, ((0, 1), (2, 0)), constant_values=3.5),
    ),
    case("getitem", (X,), lambda o, x: x[:, 1:3]),
    case("getitem", (X,), lambda o, x: x[1:, ::-2]),
    case("getitem", (X,), lambda o, x: x[..., None, -1]),
    case("getitem", (X,), lambda o, x: x[-1]),
    case("getitem", (X,), lambda o, x: x[::-1, 4]),
    case("getitem", (CUBE,), lambda o, x: x[:, 1, ::2]),
    case("getitem", (CUBE,), lambda o, x: x[..., [2, 0, 2]]),
    case("getitem", (CUBE,), lambda o, x: x[1:, [1, 1, 0], 0]),
    case("getitem", ((5, 6), LABELS), lambda o, x, i: x[i], order=2),
    case("getitem", ((3 + B, 2),), lambda o, x: x[:3] * x[-3:]),
    case("slice", (X,), lambda o, x: o.slice(x, (0, 2), (1, 3)), lambda o, x: x[:1, 2:5]),
    by_numpy(
        "slice_update",
        (X, (1, 2)),
        lambda o, x, y: o.slice_update(x, (0, 3), y),
        lambda o, x, y: np.concatenate([np.concatenate([x[:1, :3], y, x[:1, 5:]], 1), x[1:]]),
    ),
]

PICKING = [
    case("take", ((3, 4), INDEX), lambda o, x, i: o.take(x, i, axis=0), lambda o, x, i: x[i]),
    case("take", ((B, 3, 2), INDEX), lambda o, x, i: o.take(x, i, axis=1), lambda o, x, i: x[:, i]),
    case("take", (X, INDEX), lambda o, x, i: o.take(x, i, axis=-1), lambda o, x, i: x[:, i]),
    case("take", ((3, 4), INDEX), lambda o, x, i: o.take(x, i), lambda o, x, i: x.reshape(-1)[i]),
    case("take", ((5, 3), Ints((B,), -5, 5)), lambda o, x, i: o.take(x, i, axis=0), lambda o, x, i: x[i]),
    by_numpy("take_along_axis", (X, Ints((B, 2), 0, 6)), lambda o, x, i: o.take_along_axis(x, i, 1)),
    by_numpy("take_along_axis", (CUBE, Ints((B, 4, 3), 0, 2)), lambda o, x, i: o.take_along_axis(x, i, axis=1)),
    by_numpy("take_along_axis", (CUBE, Ints(CUBE, 0, 1)), lambda o, x, i: o.take_along_axis(x, i, axis=0)),
    by_numpy("take_along_axis", ((3, 2), Ints((6,), 0, 6)), lambda o, x, i: o.take_along_axis(x, i, axis=None)),
    by_numpy("sort", (X,), lambda o, x: o.sort(x)),
    by_numpy("sort", (CUBE,), lambda o, x: o.sort(x, axis=1)),
    by_numpy("sort", ((3, 4),), lambda o, x: o.sort(x, axis=None)),
    by_numpy("sort", (X,), lambda o, x: o.sort(x, axis=0)),
    by_numpy("top_k", (X,), lambda o, x: o.top_k(x, 3)[0], lambda o, x: np.sort(x)[:, :-4:-1]),
    value("top_k", (X,), lambda o, x: o.top_k(x, 3)[1], lambda o, x: np.argsort(x)[:, :-4:-1]),
    value("top_k", (Ints(X, 0, 3),), lambda o, x: o.top_k(x, 6)[1], lambda o, x: np.argsort(-x, kind="stable")),
    value("argsort", (X,), lambda o, x: o.argsort(x)),
    value("argsort", (CUBE,), lambda o, x: o.argsort(x, axis=1)),
    value("argsort", ((3, 4),), lambda o, x: o.argsort(x, axis=None)),
    value("argsort", (Ints((B, 9), 0, 3),), lambda o, x: o.argsort(x), lambda o, x: np.argsort(x, kind="stable")),
    value(
        "in_top_k",
        (Ints((B,), 0, 6), X),
        lambda o, i, x: o.in_top_k(i, x, 2),
        lambda o, i, x: (np.argsort(-x)[:, :2] == i[:, None]).any(1),
    ),
    value("one_hot", (Ints((B,), 0, 4),), lambda o, i: o.one_hot(i, 4), lambda o, i: np.eye(4, dtype=np.float32)[i]),
    value(
        "one_hot",
        (LABELS,),
        lambda o, i: o.one_hot(i, 4, axis=0, dtype="int64"),
        lambda o, i: np.eye(4, dtype=int)[i].T,
    ),
    value("label_mask", (Ints((B,), 0, 3),), lambda o, i: o.label_mask(i, 3), lambda o, i: np.eye(3, dtype=bool)[i]),
]

REDUCING = [
    case("sum", (X,), lambda o, x: o.sum(x)),
    case("sum", (CUBE,), lambda o, x: o.sum(x, axis=1)),
    case("sum", (CUBE,), lambda o, x: o.sum(x, axis=(0, 2), keepdims=True)),
    value("sum", (Ints(X, -9, 9),), lambda o, x: o.sum(x, 1)),
    case("mean", (X,), lambda o, x: o.mean(x)),
    case("mean", (CUBE,), lambda o, x: o.mean(x, axis=(0, 1))),
    value("mean", (Ints((6,), 0, 9),), lambda o, x: o.mean(x), lambda o, x: np.mean(x, dtype=np.float32)),
    case("max", (X,), lambda o, x: o.max(x, axis=1), order=1),
    by_numpy("max", (X,), lambda o, x: o.max(x, 1, initial=0.5), order=1),
    case("min", (CUBE,), lambda o, x: o.min(x, axis=1, keepdims=True), order=1),
    by_numpy("min", (X,), lambda o, x: o.min(x, 1, initial=0.5), order=1),
    case("var", (X,), lambda o, x: o.var(x, axis=0) + o.var(x)),
    case("var", (X,), lambda o, x: o.var(x, axis=1, keepdims=True)),
    case("std", (X,), lambda o, x: o.std(x, axis=1)),
    case("std", ((5, 3),), lambda o, x: o.std(x)),
    case("prod", (X,), lambda o, x: o.prod(x, axis=1)),
    case("prod", ((3, 7, 1),), lambda o, x: o.prod(x, axis=(0, 1), keepdims=True)),
    case("prod", ((5,),), lambda o, x: o.prod(x)),
    case("cumsum", (X,), lambda o, x: o.cumsum(x, axis=1)),
    case("cumsum", (CUBE,), lambda o, x: o.cumsum(x, axis=0)),
    case("cumsum", (X,), lambda o, x: o.cumsum(x)),
    *(
        case(
            "normalize",
            (X,),
            lambda o, x, k=k: o.normalize(x, order=k),
            lambda o, x, k=k: x / o.sum(o.abs(x) ** k, -1, keepdims=True) ** (1 / k),
        )
        for k in (1, 2, 3)
    ),
    case("norm", (X,), lambda o, x: o.norm(x), lambda o, x: o.linalg.norm(x)),
    case("norm", (X,), lambda o, x: o.norm(x, axis=1), lambda o, x: o.linalg.norm(x, axis=1)),
    case("norm", (CUBE,), lambda o, x: o.norm(x, axis=(1, 2)), lambda o, x: o.linalg.norm(x, axis=(1, 2))),
    case("norm", (X,), lambda o, x: o.norm(x, 3, axis=1), lambda o, x: o.linalg.norm(x, 3, axis=1)),
    *(
        by_numpy(
            "norm",
            (X,),
            lambda o, x, k=k: o.norm(x, k, axis=1, keepdims=True),
            lambda o, x, k=k: np.linalg.norm(x, k, axis=1, keepdims=True),
            order=1,
        )
        for k in (0, 1, 2, -np.inf, np.inf)
    ),
    *(
        by_numpy(
            "norm",
            (CUBE,),
            lambda o, x, k=k: o.norm(x, k, axis=(2, 1)),
            lambda o, x, k=k: np.linalg.norm(x, k, axis=(2, 1)),
            order=1,
        )
        for k in ("fro", 1, -1, np.inf, -np.inf)
    ),
    by_numpy("logsumexp", (X,), lambda o, x: o.logsumexp(x), lambda o, x: special.logsumexp(x)),
    by_numpy(
        "logsumexp",
        (CUBE,),
        lambda o, x: o.logsumexp(x, axis=(1, 2), keepdims=True),
        lambda o, x: special.logsumexp(x, axis=(1, 2), keepdims=True),
    ),
    value("any", (Ints(X, 0, 2),), lambda o, x: o.any(x, axis=1)),
    value("any", (Ints(X, 0, 2),), lambda o, x: o.any(x)),
    value("all", (Ints(CUBE, 0, 3),), lambda o, x: o.all(x, axis=1, keepdims=True)),
    value("all", (X,), lambda o, x: o.all(x > 0.0, axis=0)),
    value("count_nonzero", (Ints(X, 0, 2),), lambda o, x: o.count_nonzero(x, axis=1)),
    value("count_nonzero", (X,), lambda o, x: o.count_nonzero(x)),
    value("argmax", (X,), lambda o, x: o.argmax(x, axis=1)),
    value("argmax", ((3, 4),), lambda o, x: o.argmax(x)),
    value("argmax", (CUBE,), lambda o, x: o.argmax(x, axis=1, keepdims=True)),
    value("argmin", (Ints(X, 0, 3),), lambda o, x: o.argmin(x, axis=1)),
    value("count", (X,), lambda o, x: o.count(x) + o.zeros_like(x, "int64"), lambda o, x: np.full(x.shape, x.size)),
]
