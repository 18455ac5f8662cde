"""What the estimators minimise: a loss by rows, as scikit-learn defines it or any of gpubp's, and a penalty."""

import copy
from math import log, log1p
from typing import Any

import numpy as np

from gpubp import losses, ops
from gpubp.engine.variables import Variable
from gpubp.losses.targets import logits_of
from gpubp.metrics import Metric

MEANS = ("sum_over_batch_size", "mean")


def reporting(value, differentiated):
    """A value with the gradient of another one."""
    return differentiated + ops.stop_gradient(value - differentiated)


def half_squared_error(y_true, y_pred):
    """sum((y_pred - y_true)^2) / 2 over the outputs, of which, as in scikit-learn, the mean over them is reported."""
    total = ops.sum(ops.square(y_pred - y_true), axis=-1) * 0.5
    outputs = y_pred.shape[-1]
    return total if outputs == 1 else reporting(total / outputs, total)


def half_poisson_deviance(y_true, y_pred):
    """sum(y log(y / p) - y + p) over the outputs; 0 log 0 is 0."""
    logarithm = ops.log(ops.where(ops.greater(y_true, 0.0), y_true, 1.0))
    return ops.sum(y_true * (logarithm - ops.log(y_pred)) - y_true + y_pred, axis=-1)


def log_loss(y_true, y_pred):
    """-sum(y log p + (1 - y) log(1 - p)) over the labels, for zeros and ones y."""
    z = logits_of(y_pred, "sigmoid")
    return ops.sum(bounded(ops.softplus(z) - ops.cast(y_true, z.dtype) * z), axis=-1)


def multinomial_log_loss(y_true, y_pred):
    """-log p[y] for integer labels y."""
    return bounded(losses.sparse_categorical_crossentropy(y_true, y_pred))


def bounded(values):
    """-log p as scikit-learn reports it: of p between eps and 1 - eps. A line search sees the difference."""
    eps = float(np.finfo(values.dtype).eps)
    return reporting(ops.clip(values, -log1p(-eps), -log(eps)), values)


OWN = {"squared_error": half_squared_error, "poisson": half_poisson_deviance}


def loss_of(identifier: Any, out_activation: str, label_smoothing: float = 0.0) -> losses.Loss:
    """The loss of an estimator, averaged by the rows' weights.

    Arguments:
        identifier: "log_loss", "squared_error", "poisson"; or what `gpubp.losses.get` takes.
        out_activation: "softmax", "logistic", "identity" or "exp".
        label_smoothing: of "log_loss". Default 0.

    Raises:
        ValueError: for unknown names.
    """
    if identifier == "log_loss":
        found = _log_loss(out_activation, label_smoothing)
    else:
        found = copy.copy(losses.get(OWN.get(identifier, identifier) if isinstance(identifier, str) else identifier))
    if found.reduction in MEANS:
        found.reduction = "mean_with_sample_weight"
    return found


def _log_loss(out_activation, label_smoothing) -> losses.Loss:
    softmax = out_activation == "softmax"
    if not label_smoothing:
        found = losses.FunctionLoss(multinomial_log_loss if softmax else log_loss)
        found.takes_labels = softmax
        return found
    if softmax:
        return losses.CategoricalCrossentropy(label_smoothing=label_smoothing)
    return losses.FunctionLoss(
        lambda y, p: losses.binary_crossentropy(y, p, label_smoothing=label_smoothing) * float(p.shape[-1])
    )


class Objective(losses.Loss):
    """(sum(w l) + alpha / 2 sum(W^2)) / sum(w): the loss of the rows and a penalty on weights, over the rows' weights.

    Arguments:
        loss: of the rows.
        alpha: scalar variable, so that a change of it needs no other program.
        penalised: list of variables.
    """

    def __init__(self, loss: losses.Loss, alpha: Variable, penalised: list[Variable]):
        super().__init__(name="objective")
        self.loss, self.alpha, self.penalised = loss, alpha, penalised
        self.takes_labels = loss.takes_labels

    def terms(self, y_true, y_pred, sample_weight=None):
        total, divisor = self.loss.terms(y_true, y_pred, sample_weight)
        squares = [ops.sum(ops.square(w)) for w in self.penalised]
        penalty = ops.multiply(self.alpha, sum(squares[1:], squares[0]) * 0.5)
        if sample_weight is not None:  # rows without any weight change nothing but decay
            divisor = ops.where(ops.equal(divisor, 0.0), 1.0, divisor)
        return total + penalty, divisor


class Average(Metric):
    """The mean of a loss over the rows, by their weights.

    Arguments:
        loss: what has `terms`.
        name: in the logs.
        by_batches: whether it is the mean of each batch's loss by the numbers of rows, which scikit-learn reports.
            Default False.
    """

    def __init__(self, loss: losses.Loss, name: str, by_batches: bool = False):
        super().__init__(name)
        self.loss, self.by_batches = loss, by_batches

    def sums(self, y_true, y_pred, sample_weight=None):
        total, divisor = self.loss.terms(y_true, y_pred, sample_weight)
        if not self.by_batches or sample_weight is None:
            return {"total": total, "divisor": divisor}
        rows = ops.cast(ops.count(sample_weight), total.dtype)
        return {"total": total * (rows / ops.cast(divisor, total.dtype)), "divisor": rows}

    def compute(self, sums):
        return float(sums["total"] / sums["divisor"])
