"""Metrics: sums over the rows, written in ops, and what is computed from them on the host."""

from typing import Any

from gpubp.losses import (
    Loss,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from gpubp.metrics.accuracy import (
    Accuracy,
    AccuracyByShape,
    BinaryAccuracy,
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from gpubp.metrics.auc import AUC
from gpubp.metrics.base import Metric
from gpubp.metrics.confusion import ConfusionMatrix
from gpubp.metrics.counts import FalseNegatives, FalsePositives, Precision, Recall, TrueNegatives, TruePositives
from gpubp.metrics.fscore import F1Score, FBetaScore
from gpubp.metrics.means import Mean, MeanMetricWrapper, Sum
from gpubp.metrics.of_losses import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Dice,
    Hinge,
    Huber,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Quantile,
    RootMeanSquaredError,
    SparseCategoricalCrossentropy,
    SquaredHinge,
    Tversky,
    cosine_similarity,
)
from gpubp.metrics.r2 import R2Score
from gpubp.names import lookup, snake_case

CLASSES = {
    name: c
    for name, c in list(globals().items())
    if isinstance(c, type) and issubclass(c, Metric) and c not in (Metric, MeanMetricWrapper)
}
SHORT = {
    "acc": AccuracyByShape,
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
    "rmse": RootMeanSquaredError,
}
ALIASES: dict[str, type[Metric]] = {
    **{snake_case(name): c for name, c in CLASSES.items()},
    "f1_score": F1Score,
    "fbeta_score": FBetaScore,
    "log_cosh": LogCoshError,
    "logcosh": LogCoshError,
    "r2_score": R2Score,
    **SHORT,
    **{name.upper(): c for name, c in SHORT.items()},
    "accuracy": AccuracyByShape,
    "Accuracy": AccuracyByShape,
}


def get(identifier: Any) -> Metric:
    """A metric from what names it; one that is named by a string has that name.

    Arguments:
        identifier: a metric; its class; the name of its class in either spelling, or a short one ("acc", "mse"); a
            dict of "class_name" and "config"; a loss; or a function of (y_true, y_pred) with one value a row.
            "accuracy" is the one that fits the shapes.

    Raises:
        ValueError: for unknown names and anything else.

    >>> from gpubp import metrics
    >>> metrics.get("mse"), metrics.get({"class_name": "BinaryAccuracy", "config": {"threshold": 0.3}})
    (<MeanSquaredError 'mse'>, <BinaryAccuracy 'binary_accuracy'>)
    """
    if isinstance(identifier, dict):
        return lookup("metric class", identifier.get("class_name", ""), CLASSES)(**identifier.get("config", {}))
    if isinstance(identifier, str):
        return lookup("metric", identifier, CLASSES | ALIASES)(name=identifier)
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, Loss):
        return MeanMetricWrapper(identifier.call, identifier.name)
    if callable(identifier):
        return MeanMetricWrapper(identifier)
    raise ValueError(f"a metric is a name, a function or an instance of gpubp.metrics.Metric; this is {identifier!r}")
