"""Losses of probabilities. Where the logits are known they are computed from these, so that nothing is lost near 0."""

from gpubp import ops
from gpubp.losses.base import NamedLoss
from gpubp.losses.functions import row_function
from gpubp.losses.targets import EPSILON, distributions, labels, logits_of, outputs, refuse_fractions
from gpubp.ops.reductions import shifted_exp
from gpubp.ops.registry import dims, value


@row_function(outputs)
def binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """-(y log p + (1 - y) log(1 - p)), averaged over an axis.

    Arguments:
        from_logits: whether predictions are logits z, p = sigmoid(z). Default False; predictions that come out of a
            sigmoid are taken back to their logits.
        label_smoothing: s in [0, 1]; y becomes y (1 - s) + s / 2. Default 0.
        axis: to average over. Default -1.

    Source: https://keras.io/api/losses/probabilistic_losses
    """
    y = smoothed(y_true, label_smoothing, 2)
    return ops.mean(_binary_terms(y, y_pred, from_logits), axis=axis)


@row_function(outputs)
def binary_focal_crossentropy(
    y_true,
    y_pred,
    apply_class_balancing=False,
    alpha=0.25,
    gamma=2.0,
    from_logits=False,
    label_smoothing=0.0,
    axis=-1,
):
    """(1 - q)^gamma times the binary cross-entropy, averaged over an axis; q = y p + (1 - y) (1 - p).

    Arguments:
        apply_class_balancing: whether ones are weighted by alpha, zeros by 1 - alpha. Default False.
        alpha: default 0.25.
        gamma: how much less rows count that are predicted well; >= 0. Default 2.
        from_logits, label_smoothing, axis: as of `binary_crossentropy`.

    Source: T. Lin et al., Focal loss for dense object detection, ICCV 2017
    """
    y = smoothed(y_true, label_smoothing, 2)
    p = ops.sigmoid(y_pred) if from_logits else y_pred
    values = _modulation(y * p + (1.0 - y) * (1.0 - p), gamma) * _binary_terms(y, y_pred, from_logits)
    if apply_class_balancing:
        values = values * (y * alpha + (1.0 - y) * (1.0 - alpha))
    return ops.mean(values, axis=axis)


@row_function(distributions)
def categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0.0, axis=-1):
    """-sum(y log p) over an axis, for one-hot (or soft) labels y of the shape of the predictions.

    Arguments:
        from_logits: whether predictions are logits z, p = softmax(z). Default False; predictions that come out of a
            softmax are taken back to their logits, others are divided by their sum.
        label_smoothing: s in [0, 1]; y becomes y (1 - s) + s / classes. Default 0.
        axis: of the classes. Default -1.

    Source: https://keras.io/api/losses/probabilistic_losses
    """
    y = smoothed(y_true, label_smoothing, dims(y_pred)[axis])
    return -ops.sum(y * _log_probabilities(y_pred, from_logits, axis), axis=axis)


@row_function(distributions)
def categorical_focal_crossentropy(
    y_true, y_pred, alpha=0.25, gamma=2.0, from_logits=False, label_smoothing=0.0, axis=-1
):
    """-sum(alpha (1 - p)^gamma y log p) over an axis.

    Arguments:
        alpha: weight, or a list of one a class. Default 0.25.
        gamma: how much less rows count that are predicted well; >= 0. Default 2.
        from_logits, label_smoothing, axis: as of `categorical_crossentropy`.

    Source: T. Lin et al., Focal loss for dense object detection, ICCV 2017
    """
    y = smoothed(y_true, label_smoothing, dims(y_pred)[axis])
    logarithm = _log_probabilities(y_pred, from_logits, axis)
    weight = ops.cast(value(alpha), y_pred.dtype)
    return -ops.sum(weight * _modulation(ops.exp(logarithm), gamma) * y * logarithm, axis=axis)


@row_function(labels)
def sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, ignore_class=None):
    """-log p[y] for integer labels y of shape (rows,) or (rows, 1), predictions (rows, classes).

    Labels may be floats that are integers. Those that are not in 0..classes-1 stop training before the update; on
    arrays they raise IndexError.

    Arguments:
        from_logits: whether predictions are logits z, p = softmax(z). Default False; predictions that come out of a
            softmax are taken back to their logits, others are divided by their sum.
        ignore_class: a label, such as -1, of rows that do not count. Default none.

    >>> import numpy as np
    >>> from gpubp.losses import SparseCategoricalCrossentropy
    >>> round(float(SparseCategoricalCrossentropy()([1], np.array([[0.5, 0.25, 0.25]]))), 4)
    1.3863
    """
    counted = None
    if ignore_class is not None:
        counted = ops.not_equal(y_true, ignore_class)
        y_true = ops.where(counted, y_true, 0)
    hit = ops.label_mask(y_true, y_pred.shape[-1])
    z = y_pred if from_logits else logits_of(y_pred, "softmax")
    if z is not None:
        values = _of_logits(z, hit)
    else:
        values = -ops.sum(ops.where(hit, _log_probabilities(y_pred, False, -1), 0.0), axis=-1)
    return values if counted is None else ops.where(counted, values, 0.0)


@row_function(distributions)
def kl_divergence(y_true, y_pred):
    """sum(y_true log(y_true / y_pred)) over the last axis; both are kept between 1e-7 and 1."""
    y_true, y_pred = (ops.clip(y, EPSILON, 1.0) for y in (y_true, y_pred))
    return ops.sum(y_true * ops.log(y_true / y_pred), axis=-1)


def smoothed(y_true, share, classes):
    """Labels of which a share is spread evenly over the classes."""
    return y_true * (1 - share) + share / classes if share else y_true


def _binary_terms(y, y_pred, from_logits):
    z = y_pred if from_logits else logits_of(y_pred, "sigmoid")
    if z is not None:
        # softplus(z) - y z, from softplus(-|z|): what is left of two large numbers has none of its digits.
        return ops.softplus(ops.where(ops.greater(z, 0.0), -z, z)) + (ops.relu(z) - y * z)
    p = ops.clip(y_pred, EPSILON, 1 - EPSILON)
    return -(y * ops.log(p) + (1.0 - y) * ops.log(1.0 - p))


def _log_probabilities(y_pred, from_logits, axis):
    z = y_pred if from_logits else logits_of(y_pred, "softmax", axis)
    if z is not None:
        return ops.log_softmax(z, axis)
    return ops.log(ops.clip(y_pred / ops.sum(y_pred, axis=axis, keepdims=True), EPSILON, 1 - EPSILON))


def _of_logits(z, hit):
    """log(sum(exp(z))) - z[hit]. The logarithm meets a difference of logits: large ones would round it away."""
    _, total, top = shifted_exp(z, -1)
    chosen = ops.sum(ops.where(hit, z, 0.0), axis=-1, keepdims=True)
    return ops.squeeze(ops.log(total) + (top - chosen), -1)


def _modulation(p, gamma):
    """(1 - p)^gamma; 1 - p stays above 0, where a power below 1 has no slope."""
    return ops.power(ops.maximum(1.0 - p, EPSILON), gamma)


def counted_labels(y_true, y_pred, ignore_class):
    """True where a label is another than the one that is to be ignored; None if none is."""
    if ignore_class is None:
        return None
    return ops.not_equal(labels("sparse_categorical_crossentropy", y_true, y_pred)[0], ignore_class)


class BinaryCrossentropy(NamedLoss, of=binary_crossentropy): ...


class BinaryFocalCrossentropy(NamedLoss, of=binary_focal_crossentropy): ...


class CategoricalCrossentropy(NamedLoss, of=categorical_crossentropy): ...


class CategoricalFocalCrossentropy(NamedLoss, of=categorical_focal_crossentropy): ...


class SparseCategoricalCrossentropy(NamedLoss, of=sparse_categorical_crossentropy):
    takes_labels = True

    def check(self, y_true, shape):
        classes, ignored = shape[-1], self.arguments["ignore_class"]
        if y_true.dtype.kind not in "iubf" or not y_true.size:
            return
        refuse_fractions(self.name, y_true)
        y = y_true if ignored is None else y_true[y_true != ignored]
        for label in (y.min(), y.max()) if y.size else ():
            if not 0 <= label < classes:
                raise ValueError(f"{self.name}: the label {int(label)} is not in 0..{classes - 1}, the model's classes")

    def mask(self, y_true, y_pred):
        return counted_labels(y_true, y_pred, self.arguments["ignore_class"])


class KLDivergence(NamedLoss, of=kl_divergence): ...
