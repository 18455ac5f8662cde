"""Each loss with data that it takes and an oracle: its formula in NumPy and SciPy, one value a row."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from gpubp import losses

EPSILON = 1e-7


@dataclass(frozen=True)
class Case:
    """A loss with arguments: `data(rng, rows, columns)` gives (y_true, y_pred), `oracle` the values of the rows."""

    cls: type
    data: Callable
    oracle: Callable
    arguments: dict = field(default_factory=dict)

    def __call__(self, **general) -> losses.Loss:
        return self.cls(**self.arguments, **general)

    def __repr__(self):
        return " ".join([self.cls.__name__, *(f"{k}={v}" for k, v in self.arguments.items())])


def numbers(rng, rows, columns):
    return rng.standard_normal((rows, columns)), rng.standard_normal((rows, columns)) * 2


def positive(rng, rows, columns):
    return rng.uniform(0.1, 3, (rows, columns)), rng.uniform(0.1, 3, (rows, columns))


def counts(rng, rows, columns):
    return rng.poisson(2, (rows, columns)), rng.uniform(0.1, 3, (rows, columns))


def signs(rng, rows, columns):
    return rng.choice([-1, 1], (rows, columns)), rng.standard_normal((rows, columns)) * 2


def bits(rng, rows, columns):
    return rng.integers(0, 2, (rows, columns)), rng.standard_normal((rows, columns)) * 2


def shares(rng, rows, columns):
    return rng.integers(0, 2, (rows, columns)), rng.uniform(0.02, 0.98, (rows, columns))


def one_hot(rng, rows, columns):
    return np.eye(columns + 1)[rng.integers(0, columns + 1, rows)], rng.standard_normal((rows, columns + 1)) * 2


def distributions(rng, rows, columns):
    y, p = (rng.dirichlet(np.ones(columns + 1), rows) for _ in range(2))
    return y, 0.9 * p + 0.1 / (columns + 1)


def classes(rng, rows, columns):
    return rng.integers(0, columns + 1, rows), rng.standard_normal((rows, columns + 1)) * 2


def probabilities(rng, rows, columns):
    """Of classes, not divided by their sum."""
    return rng.integers(0, columns + 1, rows), rng.uniform(0.1, 1, (rows, columns + 1))


def some_ignored(rng, rows, columns):
    y, z = classes(rng, rows, columns)
    return np.where(rng.random(rows) < 0.4, -1, y), z


def mean(values):
    return np.mean(values, axis=-1)


def logarithm(y):
    return np.log(np.maximum(y, EPSILON) + 1)


def cosine(y, p):
    return np.sum(y * p, -1) / np.linalg.norm(y, axis=-1) / np.linalg.norm(p, axis=-1)


def binary(y, p):
    return -special.xlogy(y, p) - special.xlogy(1 - y, 1 - p)


def focal(y, p, gamma=2.0):
    return mean(np.abs(y - p) ** gamma * binary(y, p))


def categorical(y, p, weight=1.0):
    p = p / p.sum(-1, keepdims=True)
    return -np.sum(weight * special.xlogy(y, p), -1)


def chosen(y, log_p):
    return -np.where(y < 0, 0, np.take_along_axis(log_p, np.maximum(y, 0)[..., None], -1)[..., 0])


def overlap(y, p, alpha, beta, axis):
    hit, wrong, missed = (np.sum(x, axis=axis) for x in (y * p, (1 - y) * p, y * (1 - p)))
    return 1 - hit / (hit + alpha * wrong + beta * missed + EPSILON)


def overlap_of_both(y, p, axis):
    return 1 - 2 * np.sum(y * p, axis=axis) / (np.sum(y, axis=axis) + np.sum(p, axis=axis) + EPSILON)


LOGITS = {"from_logits": True}
CASES = [
    Case(losses.MeanSquaredError, numbers, lambda y, p: mean((y - p) ** 2)),
    Case(losses.MeanAbsoluteError, numbers, lambda y, p: mean(abs(y - p))),
    Case(losses.MeanAbsolutePercentageError, positive, lambda y, p: 100 * mean(abs((y - p) / y))),
    Case(losses.MeanSquaredLogarithmicError, positive, lambda y, p: mean((logarithm(y) - logarithm(p)) ** 2)),
    Case(losses.Huber, numbers, lambda y, p: mean(special.huber(1.0, y - p))),
    Case(losses.Huber, numbers, lambda y, p: mean(special.huber(0.3, y - p)), {"delta": 0.3}),
    Case(losses.LogCosh, numbers, lambda y, p: mean(np.log(np.cosh(p - y)))),
    Case(losses.Quantile, numbers, lambda y, p: mean(abs(y - p)) / 2),
    Case(losses.Quantile, numbers, lambda y, p: mean(np.where(y > p, 0.9, -0.1) * (y - p)), {"quantile": 0.9}),
    Case(losses.Poisson, counts, lambda y, p: mean(p - special.xlogy(y, p + EPSILON))),
    Case(losses.CosineSimilarity, numbers, lambda y, p: -cosine(y, p)),
    Case(losses.Hinge, signs, lambda y, p: mean(np.maximum(1 - y * p, 0))),
    Case(losses.Hinge, bits, lambda y, p: mean(np.maximum(1 - (2 * y - 1) * p, 0))),
    Case(losses.SquaredHinge, signs, lambda y, p: mean(np.maximum(1 - y * p, 0) ** 2)),
    Case(losses.SquaredHinge, bits, lambda y, p: mean(np.maximum(1 - (2 * y - 1) * p, 0) ** 2)),
    Case(
        losses.CategoricalHinge,
        one_hot,
        lambda y, p: np.maximum(np.max((1 - y) * p, -1) - np.sum(y * p, -1) + 1, 0),
    ),
    Case(losses.BinaryCrossentropy, shares, lambda y, p: mean(binary(y, p))),
    Case(losses.BinaryCrossentropy, bits, lambda y, z: mean(binary(y, special.expit(z))), LOGITS),
    Case(
        losses.BinaryCrossentropy,
        shares,
        lambda y, p: mean(binary(0.8 * y + 0.1, p)),
        {"label_smoothing": 0.2},
    ),
    Case(losses.BinaryFocalCrossentropy, shares, focal),
    Case(losses.BinaryFocalCrossentropy, bits, lambda y, z: focal(y, special.expit(z)), LOGITS),
    Case(losses.BinaryFocalCrossentropy, shares, lambda y, p: focal(y, p, 0.5), {"gamma": 0.5}),
    Case(
        losses.BinaryFocalCrossentropy,
        shares,
        lambda y, p: mean(np.where(y, 0.7, 0.3) * abs(y - p) ** 2 * binary(y, p)),
        {"apply_class_balancing": True, "alpha": 0.7},
    ),
    Case(losses.CategoricalCrossentropy, distributions, categorical),
    Case(losses.CategoricalCrossentropy, one_hot, lambda y, z: categorical(y, special.softmax(z, -1)), LOGITS),
    Case(
        losses.CategoricalCrossentropy,
        distributions,
        lambda y, p: categorical(0.7 * y + 0.3 / y.shape[-1], p),
        {"label_smoothing": 0.3},
    ),
    Case(
        losses.CategoricalFocalCrossentropy,
        distributions,
        lambda y, p: categorical(y, p, 0.25 * (1 - p) ** 2),
    ),
    Case(
        losses.CategoricalFocalCrossentropy,
        one_hot,
        lambda y, z: categorical(y, special.softmax(z, -1), 0.6 * (1 - special.softmax(z, -1))),
        {"from_logits": True, "alpha": 0.6, "gamma": 1.0},
    ),
    Case(losses.SparseCategoricalCrossentropy, classes, lambda y, z: chosen(y, special.log_softmax(z, -1)), LOGITS),
    Case(
        losses.SparseCategoricalCrossentropy,
        probabilities,
        lambda y, p: chosen(y, np.log(p / p.sum(-1, keepdims=True))),
    ),
    Case(
        losses.SparseCategoricalCrossentropy,
        some_ignored,
        lambda y, z: chosen(y, special.log_softmax(z, -1)),
        {"from_logits": True, "ignore_class": -1},
    ),
    Case(losses.KLDivergence, distributions, lambda y, p: np.sum(special.kl_div(y, p) + y - p, -1)),
    Case(losses.Dice, shares, lambda y, p: overlap_of_both(y, p, None)),
    Case(losses.Dice, shares, lambda y, p: overlap_of_both(y, p, -1), {"axis": -1}),
    Case(losses.Tversky, shares, lambda y, p: overlap(y, p, 0.5, 0.5, None)),
    Case(losses.Tversky, shares, lambda y, p: overlap(y, p, 0.2, 0.8, -1), {"alpha": 0.2, "beta": 0.8, "axis": -1}),
]
