"""Losses, written in ops: functions of (y_true, y_pred) with one value a row, and the classes made of them."""

from typing import Any

from gpubp.losses.base import FunctionLoss, Loss, NamedLoss
from gpubp.losses.hinge import (
    CategoricalHinge,
    Hinge,
    SquaredHinge,
    categorical_hinge,
    hinge,
    squared_hinge,
)
from gpubp.losses.overlap import Dice, Tversky, dice, tversky
from gpubp.losses.probabilistic import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    kl_divergence,
    sparse_categorical_crossentropy,
)
from gpubp.losses.regression import (
    CosineSimilarity,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Quantile,
    cosine_similarity,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    quantile,
)
from gpubp.losses.targets import same_rank
from gpubp.names import lookup

CLASSES = {
    name: c
    for name, c in list(globals().items())
    if isinstance(c, type) and issubclass(c, NamedLoss) and c is not NamedLoss
}
SHORT = {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "mse": MeanSquaredError,
    "msle": MeanSquaredLogarithmicError,
}
ALIASES = {c.of.__name__: c for c in CLASSES.values()} | SHORT | {name.upper(): c for name, c in SHORT.items()}


def get(identifier: Any) -> Loss:
    """A loss from what names it.

    Arguments:
        identifier: a loss; its class; the name of its class or function, or a short one ("mse"); a dict of
            "class_name" and "config"; or a function of (y_true, y_pred) with one value a row.

    Raises:
        ValueError: for unknown names and anything else.

    >>> from gpubp import losses
    >>> losses.get({"class_name": "Huber", "config": {"delta": 2.0}}).get_config()["delta"]
    2.0
    """
    if isinstance(identifier, dict):
        return lookup("loss class", identifier.get("class_name", ""), CLASSES)(**identifier.get("config", {}))
    if isinstance(identifier, str):
        return lookup("loss", identifier, ALIASES | CLASSES)()
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if isinstance(identifier, Loss):
        return identifier
    if callable(identifier):
        return FunctionLoss(identifier)
    raise ValueError(f"a loss is a name, a function or an instance of gpubp.losses.Loss; this is {identifier!r}")
