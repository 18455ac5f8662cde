"""Each metric with data that it takes and an oracle of all rows: scikit-learn's score, or its formula in NumPy."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import special
from sklearn import metrics as sk

from gpubp import metrics


@dataclass(frozen=True)
class Case:
    """A metric with arguments: `data(rng, rows)` gives targets and predictions, `oracle` their score with weights."""

    cls: type
    data: Callable
    oracle: Callable
    arguments: dict = field(default_factory=dict)

    def __call__(self, **general) -> metrics.Metric:
        return self.cls(**self.arguments, **general)

    def __repr__(self):
        return " ".join([self.cls.__name__, *(f"{k}={v}" for k, v in self.arguments.items())])


def numbers(rng, rows):
    return rng.standard_normal((rows, 3)), rng.standard_normal((rows, 3))


def positive(rng, rows):
    return rng.uniform(0.1, 3, (rows, 2)), rng.uniform(0.1, 3, (rows, 2))


def digits(rng, rows):
    return rng.integers(0, 3, (rows, 1)), rng.integers(0, 3, (rows, 1))


def binary(rng, rows):
    """Of one output, in steps of 1/64 that no threshold of the tests but 0.5 and 0.25 meets."""
    return rng.integers(0, 2, rows), rng.integers(1, 64, (rows, 1)) / 64


def logits(rng, rows):
    return rng.integers(0, 2, rows), rng.standard_normal((rows, 1)) * 2


def signs(rng, rows):
    return rng.choice([-1, 1], (rows, 1)), rng.standard_normal((rows, 1))


def many(rng, rows):
    """Labels of their own for each of three columns."""
    return rng.integers(0, 2, (rows, 3)), rng.integers(1, 64, (rows, 3)) / 64


def classes(rng, rows):
    return rng.integers(0, 4, rows), rng.dirichlet(np.ones(4), rows)


def one_hot(rng, rows):
    y, p = classes(rng, rows)
    return np.eye(4)[y], p


def soft(rng, rows):
    return rng.dirichlet(np.ones(4), rows), 0.9 * rng.dirichlet(np.ones(4), rows) + 0.025


def some_ignored(rng, rows):
    y, p = classes(rng, rows)
    return np.where(rng.random(rows) < 0.3, -1, y), p


def mean(of_rows):
    """The weighted mean of what a function gives for each row; 0 without weights."""

    def score(y, p, w):
        values = of_rows(y, p)
        return np.sum(values * w) / np.sum(w) if np.sum(w) else 0.0

    return score


def flat(score):
    """Of all columns as one."""
    return lambda y, p, w: score(y.ravel(), p.ravel(), np.repeat(w, p[0].size))


def share(part, rest):
    """Of the counts at thresholds."""

    def score(y, p, w, thresholds):
        found = counted(y, p, w, thresholds)
        whole = found[part] + found[rest]
        return np.divide(found[part], whole, out=np.zeros_like(whole), where=whole > 0)

    return score


def counted(y, p, w, thresholds):
    above = p[:, None] > np.asarray(thresholds)
    y = y[:, None] != 0
    parts = {"tp": y & above, "fp": ~y & above, "tn": ~y & ~above, "fn": y & ~above}
    return {name: (w[:, None] * part).sum(0) for name, part in parts.items()}


def count(part, *thresholds):
    def score(y, p, w):
        found = counted(y, p, w, thresholds)[part]
        return found if len(thresholds) > 1 else found[0]

    return flat(score)


def at_half(part, rest):
    return flat(lambda y, p, w: share(part, rest)(y, p, w, [0.5])[0])


def of_top(part, rest, k, column=None):
    """Of the k largest of a row."""

    def score(y, p, w):
        order = np.argsort(-p, axis=1, kind="stable")
        top = np.zeros_like(p)
        np.put_along_axis(top, order[:, :k], 1.0, axis=1)
        chosen = slice(None) if column is None else [column]
        return at_half(part, rest)(np.eye(4)[y][:, chosen], top[:, chosen], w)

    return score


def top(k):
    return lambda y, p: np.array([np.sum(row > row[label]) < k for label, row in zip(y, p, strict=True)])


def f_score(average, beta):
    """Where there is no weight at all scikit-learn warns."""

    def score(y, p, w):
        given = {"beta": beta, "average": average, "sample_weight": w, "zero_division": 0}
        return sk.fbeta_score(y, p > 0.5, **given)

    return score


def largest(average):
    return lambda y, p, w: sk.f1_score(
        y, p.argmax(1), average=average, labels=range(4), sample_weight=w, zero_division=0
    )


def entropy(y, p):
    return -np.log(p[np.arange(len(y)), y])


def cosine(y, p):
    return np.sum(y * p, 1) / np.linalg.norm(y, axis=1) / np.linalg.norm(p, axis=1)


def of_loss(of_rows):
    return mean(lambda y, p: np.mean(of_rows(y, p), axis=-1))


def bce(y, p):
    return -special.xlogy(y, p) - special.xlogy(1 - y, 1 - p)


def binary_entropy(y, p):
    return bce(y, p[:, 0])


def ignoring(y, p, w):
    kept = y >= 0
    return mean(entropy)(y[kept], p[kept], w[kept])


def confusion(y, p, w):
    return sk.confusion_matrix(y, p.argmax(1), labels=range(4), sample_weight=w)


def trapezoids(y, p, w):
    """The ROC area of probabilities rounded up to the next of 199 steps, which a threshold does not tell apart."""
    return sk.roc_auc_score(y, np.ceil(p.ravel() * 199), sample_weight=w)


def r2(multioutput):
    return lambda y, p, w: sk.r2_score(y, p, sample_weight=w, multioutput=multioutput)


def adjusted(y, p, w):
    rows = np.count_nonzero(w)
    return 1 - (1 - r2("uniform_average")(y, p, w)) * (rows - 1) / (rows - 3)


CASES = [
    Case(metrics.MeanSquaredError, numbers, lambda y, p, w: sk.mean_squared_error(y, p, sample_weight=w)),
    Case(metrics.RootMeanSquaredError, numbers, lambda y, p, w: sk.mean_squared_error(y, p, sample_weight=w) ** 0.5),
    Case(metrics.MeanAbsoluteError, numbers, lambda y, p, w: sk.mean_absolute_error(y, p, sample_weight=w)),
    Case(
        metrics.MeanAbsolutePercentageError,
        positive,
        lambda y, p, w: 100 * sk.mean_absolute_percentage_error(y, p, sample_weight=w),
    ),
    Case(
        metrics.MeanSquaredLogarithmicError,
        positive,
        lambda y, p, w: sk.mean_squared_log_error(y, p, sample_weight=w),
    ),
    Case(metrics.Huber, numbers, of_loss(lambda y, p: special.huber(1.0, y - p))),
    Case(metrics.LogCoshError, numbers, of_loss(lambda y, p: np.log(np.cosh(y - p)))),
    Case(
        metrics.Quantile,
        numbers,
        lambda y, p, w: sk.mean_pinball_loss(y, p, alpha=0.9, sample_weight=w),
        {"quantile": 0.9},
    ),
    Case(metrics.Poisson, positive, of_loss(lambda y, p: p - y * np.log(p))),
    Case(metrics.KLDivergence, soft, mean(lambda y, p: special.rel_entr(y, p).sum(1))),
    Case(metrics.CosineSimilarity, numbers, mean(cosine)),
    Case(metrics.Hinge, signs, lambda y, p, w: sk.hinge_loss(y.ravel(), p.ravel(), labels=[-1, 1], sample_weight=w)),
    Case(metrics.SquaredHinge, signs, of_loss(lambda y, p: np.maximum(1 - y * p, 0) ** 2)),
    Case(
        metrics.CategoricalHinge,
        one_hot,
        mean(lambda y, p: np.maximum(np.max((1 - y) * p, 1) - np.sum(y * p, 1) + 1, 0)),
    ),
    Case(metrics.BinaryCrossentropy, binary, mean(binary_entropy)),
    Case(
        metrics.BinaryCrossentropy,
        logits,
        mean(lambda y, z: binary_entropy(y, special.expit(z))),
        {"from_logits": True},
    ),
    Case(metrics.BinaryFocalCrossentropy, many, of_loss(lambda y, p: (y - p) ** 2 * bce(y, p))),
    Case(metrics.CategoricalCrossentropy, one_hot, mean(lambda y, p: entropy(y.argmax(1), p))),
    Case(
        metrics.CategoricalFocalCrossentropy,
        soft,
        mean(lambda y, p: -np.sum(0.25 * (1 - p) ** 2 * y * np.log(p), 1)),
    ),
    Case(metrics.SparseCategoricalCrossentropy, classes, mean(entropy)),
    Case(metrics.SparseCategoricalCrossentropy, some_ignored, ignoring, {"ignore_class": -1}),
    Case(metrics.Dice, many, mean(lambda y, p: 1 - 2 * (y * p).sum(1) / (y + p).sum(1)), {"axis": -1}),
    Case(
        metrics.Tversky,
        many,
        mean(lambda y, p: 1 - (y * p).sum(1) / (0.5 * y + 0.5 * p).sum(1)),
        {"axis": -1},
    ),
    Case(metrics.R2Score, numbers, r2("uniform_average")),
    Case(metrics.R2Score, numbers, r2("variance_weighted"), {"class_aggregation": "variance_weighted_average"}),
    Case(metrics.R2Score, numbers, r2("raw_values"), {"class_aggregation": None}),
    Case(metrics.R2Score, numbers, adjusted, {"num_regressors": 2}),
    Case(metrics.Accuracy, digits, lambda y, p, w: sk.accuracy_score(y, p, sample_weight=w)),
    Case(metrics.AccuracyByShape, binary, lambda y, p, w: sk.accuracy_score(y, p > 0.5, sample_weight=w)),
    Case(metrics.AccuracyByShape, classes, lambda y, p, w: sk.accuracy_score(y, p.argmax(1), sample_weight=w)),
    Case(
        metrics.AccuracyByShape,
        one_hot,
        lambda y, p, w: sk.accuracy_score(y.argmax(1), p.argmax(1), sample_weight=w),
    ),
    Case(metrics.BinaryAccuracy, many, flat(lambda y, p, w: sk.accuracy_score(y, p > 0.5, sample_weight=w))),
    Case(
        metrics.BinaryAccuracy,
        binary,
        lambda y, p, w: sk.accuracy_score(y, p > 0.25, sample_weight=w),
        {"threshold": 0.25},
    ),
    Case(
        metrics.CategoricalAccuracy,
        one_hot,
        lambda y, p, w: sk.accuracy_score(y.argmax(1), p.argmax(1), sample_weight=w),
    ),
    Case(
        metrics.SparseCategoricalAccuracy,
        classes,
        lambda y, p, w: sk.accuracy_score(y, p.argmax(1), sample_weight=w),
    ),
    Case(
        metrics.SparseTopKCategoricalAccuracy,
        classes,
        lambda y, p, w: sk.top_k_accuracy_score(y, p, k=2, labels=range(4), sample_weight=w),
        {"k": 2},
    ),
    Case(metrics.SparseTopKCategoricalAccuracy, classes, mean(top(5))),
    Case(metrics.TopKCategoricalAccuracy, one_hot, mean(lambda y, p: top(3)(y.argmax(1), p)), {"k": 3}),
    Case(metrics.TruePositives, many, count("tp", 0.5)),
    Case(metrics.FalsePositives, many, count("fp", 0.5)),
    Case(metrics.TrueNegatives, binary, count("tn", 0.25), {"thresholds": 0.25}),
    Case(metrics.FalseNegatives, binary, count("fn", 0.25, 0.5, 0.8), {"thresholds": [0.25, 0.5, 0.8]}),
    Case(
        metrics.Precision,
        binary,
        lambda y, p, w: sk.precision_score(y, p > 0.5, sample_weight=w, zero_division=0),
    ),
    Case(metrics.Precision, many, at_half("tp", "fp")),
    Case(
        metrics.Precision,
        binary,
        flat(lambda y, p, w: share("tp", "fp")(y, p, w, [0.1, 0.9])),
        {"thresholds": [0.1, 0.9]},
    ),
    Case(metrics.Precision, classes, of_top("tp", "fp", 2), {"top_k": 2}),
    Case(metrics.Precision, classes, of_top("tp", "fp", 1, 3), {"top_k": 1, "class_id": 3}),
    Case(metrics.Recall, binary, lambda y, p, w: sk.recall_score(y, p > 0.5, sample_weight=w, zero_division=0)),
    Case(metrics.Recall, classes, of_top("tp", "fn", 2), {"top_k": 2}),
    Case(metrics.Recall, many, lambda y, p, w: at_half("tp", "fn")(y[:, 1:2], p[:, 1:2], w), {"class_id": 1}),
    Case(metrics.F1Score, many, f_score(None, 1), {"threshold": 0.5}),
    Case(metrics.F1Score, classes, largest("macro"), {"average": "macro"}),
    Case(metrics.F1Score, one_hot, lambda y, p, w: largest("weighted")(y.argmax(1), p, w), {"average": "weighted"}),
    Case(metrics.FBetaScore, many, f_score("micro", 2.0), {"average": "micro", "beta": 2.0, "threshold": 0.5}),
    Case(metrics.FBetaScore, many, f_score("weighted", 0.5), {"average": "weighted", "beta": 0.5, "threshold": 0.5}),
    Case(metrics.ConfusionMatrix, classes, confusion, {"num_classes": 4}),
    Case(metrics.ConfusionMatrix, one_hot, lambda y, p, w: confusion(y.argmax(1), p, w), {"num_classes": 4}),
    Case(
        metrics.ConfusionMatrix,
        binary,
        lambda y, p, w: sk.confusion_matrix(y, p > 0.25, sample_weight=w),
        {"num_classes": 2, "threshold": 0.25},
    ),
    Case(metrics.AUC, binary, trapezoids),
    Case(metrics.AUC, logits, lambda y, z, w: trapezoids(y, special.expit(z), w), {"from_logits": True}),
    Case(metrics.AUC, many, flat(trapezoids)),
    Case(
        metrics.AUC,
        many,
        lambda y, p, w: np.mean([trapezoids(y[:, k], p[:, k], w) for k in range(3)]),
        {"multi_label": True},
    ),
    Case(
        metrics.AUC,
        many,
        lambda y, p, w: np.average([trapezoids(y[:, k], p[:, k], w) for k in range(3)], weights=[1, 0, 2]),
        {"multi_label": True, "label_weights": [1.0, 0.0, 2.0]},
    ),
    Case(
        metrics.AUC,
        many,
        lambda y, p, w: trapezoids(y.ravel(), p.ravel(), np.outer(w, [1, 0.5, 2]).ravel()),
        {"label_weights": [1.0, 0.5, 2.0]},
    ),
    Case(
        metrics.AUC,
        binary,
        lambda y, p, w: sk.roc_auc_score(y, np.digitize(p.ravel(), [0.3, 0.7], right=True), sample_weight=w),
        {"thresholds": [0.7, 0.3]},
    ),
    Case(metrics.AUC, logits, lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w), {"exact": True}),
    Case(
        metrics.AUC,
        binary,
        lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
        {"exact": True, "curve": "PR"},
    ),
    Case(
        metrics.AUC,
        many,
        lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w, average="macro"),
        {"exact": True, "multi_label": True},
    ),
]
