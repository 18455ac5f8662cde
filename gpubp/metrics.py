"""Metrics, written in ops: one value a row, which evaluation averages."""

from collections.abc import Callable

from gpubp import losses, ops
from gpubp.names import lookup
from gpubp.ops.registry import dims


def binary_accuracy(y_true, y_pred):
    """The share of outputs on the right side of 0.5, for each row."""
    hit = ops.equal(ops.cast(y_true, y_pred.dtype), ops.cast(y_pred > 0.5, y_pred.dtype))
    return ops.mean(ops.cast(hit, y_pred.dtype), axis=-1)


def categorical_accuracy(y_true, y_pred):
    """1 where the largest output is that of the one-hot label, else 0."""
    return ops.cast(ops.equal(ops.argmax(y_true, -1), ops.argmax(_ranked(y_pred), -1)), y_pred.dtype)


def sparse_categorical_accuracy(y_true, y_pred):
    """1 where the largest output is that of the integer label, else 0."""
    labels = ops.cast(losses.class_labels(y_true, y_pred), "int64")
    return ops.cast(ops.equal(labels, ops.argmax(_ranked(y_pred), -1)), y_pred.dtype)


def mean_squared_error(y_true, y_pred):
    """mean((y_pred - y_true)^2) over the last axis."""
    return losses.MeanSquaredError().call(y_true, y_pred)


def mean_absolute_error(y_true, y_pred):
    """mean(|y_pred - y_true|) over the last axis."""
    return ops.mean(ops.abs(y_pred - ops.cast(y_true, y_pred.dtype)), axis=-1)


def _ranked(y_pred):
    """Logits rank as their softmax does, which then need not be computed."""
    z = losses.logits_of(y_pred, "softmax")
    return y_pred if z is None else z


def accuracy(y_true, y_pred):
    """The accuracy that fits the shapes: binary for one output, sparse for integer labels, else categorical."""
    if dims(y_pred)[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    sparse = len(dims(y_true)) < len(dims(y_pred)) or dims(y_true)[-1] == 1
    return (sparse_categorical_accuracy if sparse else categorical_accuracy)(y_true, y_pred)


NAMES: dict[str, Callable] = {
    f.__name__: f
    for f in (
        accuracy,
        binary_accuracy,
        categorical_accuracy,
        mean_absolute_error,
        mean_squared_error,
        sparse_categorical_accuracy,
    )
}
ALIASES: dict[str, Callable] = {"acc": accuracy, "mae": mean_absolute_error, "mse": mean_squared_error}


def get(identifier) -> tuple[str, Callable]:
    """The name and the function of a metric, from its name or a function. Raises ValueError for unknown names."""
    if isinstance(identifier, str):
        return identifier, lookup("metric", identifier, ALIASES | NAMES)
    if callable(identifier):
        return identifier.__name__, identifier
    raise ValueError(f"a metric is a name or a function of (y_true, y_pred); this is {identifier!r}")
