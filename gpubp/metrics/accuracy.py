"""Accuracies: the share of predictions that are right."""

from gpubp import ops
from gpubp.losses.functions import row_function
from gpubp.losses.targets import distributions, labels, logits_of, outputs
from gpubp.metrics.means import NamedMean
from gpubp.ops.registry import dims, value


@row_function(outputs)
def equality(y_true, y_pred):
    """1 where the prediction equals the target, else 0."""
    return ops.cast(ops.equal(y_true, y_pred), y_pred.dtype)


@row_function(outputs)
def binary_accuracy(y_true, y_pred, threshold=0.5):
    """1 where the output is on the right side of a threshold, else 0.

    Arguments:
        threshold: outputs above it mean 1. Default 0.5.
    """
    return equality(y_true, ops.cast(y_pred > threshold, y_pred.dtype))


@row_function(distributions)
def categorical_accuracy(y_true, y_pred):
    """1 where the largest output is that of the one-hot label, else 0."""
    return sparse_categorical_accuracy(ops.argmax(y_true, -1), y_pred)


@row_function(labels)
def sparse_categorical_accuracy(y_true, y_pred):
    """1 where the largest output is that of the integer label, else 0."""
    return ops.cast(ops.equal(y_true, ops.argmax(_ranked(y_pred), -1)), y_pred.dtype)


@row_function(distributions)
def top_k_categorical_accuracy(y_true, y_pred, k=5):
    """1 where fewer than k outputs are larger than that of the one-hot label, else 0.

    Arguments:
        k: int >= 1. Default 5.
    """
    return sparse_top_k_categorical_accuracy(ops.argmax(y_true, -1), y_pred, k)


@row_function(labels)
def sparse_top_k_categorical_accuracy(y_true, y_pred, k=5):
    """1 where fewer than k outputs are larger than that of the integer label, else 0.

    Arguments:
        k: int >= 1. Default 5.
    """
    scores, classes = _ranked(y_pred), y_pred.shape[-1]
    own = ops.sum(ops.where(ops.label_mask(y_true, classes), scores, 0.0), axis=-1, keepdims=True)
    # Counted from below, since nothing is at most a NaN: such a prediction is wrong.
    at_most = ops.sum(ops.less_equal(scores, own), axis=-1)
    return ops.cast(ops.greater(at_most, classes - k), y_pred.dtype)


def _ranked(y_pred):
    """Logits rank as their softmax does, which then need not be computed."""
    z = logits_of(y_pred, "softmax")
    return y_pred if z is None else z


def accuracy(y_true, y_pred):
    """The accuracy that fits the shapes: binary for one output, sparse for integer labels, else categorical."""
    y_true, y_pred = value(y_true), value(y_pred)
    if len(dims(y_pred)) == 1 or dims(y_pred)[-1] == 1:
        return binary_accuracy(y_true, y_pred)
    sparse = len(dims(y_true)) < len(dims(y_pred)) or dims(y_true)[-1] == 1
    return (sparse_categorical_accuracy if sparse else categorical_accuracy)(y_true, y_pred)


class Accuracy(NamedMean, of=equality, name="accuracy"): ...


class AccuracyByShape(NamedMean, of=accuracy): ...


class BinaryAccuracy(NamedMean, of=binary_accuracy): ...


class CategoricalAccuracy(NamedMean, of=categorical_accuracy): ...


class SparseCategoricalAccuracy(NamedMean, of=sparse_categorical_accuracy): ...


class TopKCategoricalAccuracy(NamedMean, of=top_k_categorical_accuracy): ...


class SparseTopKCategoricalAccuracy(NamedMean, of=sparse_top_k_categorical_accuracy): ...
