"""Losses of numbers."""

from math import log

from gpubp import ops
from gpubp.losses.base import NamedLoss
from gpubp.losses.functions import row_function
from gpubp.losses.targets import EPSILON, distributions, outputs


@row_function(outputs)
def mean_squared_error(y_true, y_pred):
    """mean((y_pred - y_true)^2) over the last axis.

    >>> from gpubp.losses import MeanSquaredError
    >>> float(MeanSquaredError()([[0.0], [2.0]], [[1.0], [4.0]]))
    2.5
    """
    return ops.mean(ops.square(y_pred - y_true), axis=-1)


@row_function(outputs)
def mean_absolute_error(y_true, y_pred):
    """mean(|y_pred - y_true|) over the last axis."""
    return ops.mean(ops.abs(y_pred - y_true), axis=-1)


@row_function(outputs)
def mean_absolute_percentage_error(y_true, y_pred):
    """100 mean(|y_pred - y_true| / max(|y_true|, 1e-7)) over the last axis."""
    return 100.0 * ops.mean(ops.abs(y_pred - y_true) / ops.maximum(ops.abs(y_true), EPSILON), axis=-1)


@row_function(outputs)
def mean_squared_logarithmic_error(y_true, y_pred):
    """mean((log(y_pred + 1) - log(y_true + 1))^2) over the last axis, with numbers below 1e-7 taken for 1e-7."""
    logarithm_true, logarithm_pred = (ops.log(ops.maximum(y, EPSILON) + 1.0) for y in (y_true, y_pred))
    return ops.mean(ops.square(logarithm_pred - logarithm_true), axis=-1)


@row_function(outputs)
def huber(y_true, y_pred, delta=1.0):
    """The mean over the last axis of e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2; e = y_pred - y_true.

    Arguments:
        delta: float > 0, where the parabola ends. Default 1.

    Source: P. Huber, Robust estimation of a location parameter, Annals of Mathematical Statistics 35, 1964
    """
    error = y_pred - y_true
    size = ops.abs(error)
    near, far = 0.5 * ops.square(error), delta * size - 0.5 * delta**2
    return ops.mean(ops.where(ops.less_equal(size, delta), near, far), axis=-1)


@row_function(outputs)
def log_cosh(y_true, y_pred):
    """mean(log(cosh(y_pred - y_true))) over the last axis; computed so that nothing overflows."""
    error = y_pred - y_true
    return ops.mean(error + ops.softplus(-2.0 * error) - log(2.0), axis=-1)


@row_function(outputs)
def quantile(y_true, y_pred, quantile=0.5):
    """mean(max(q e, (q - 1) e)) over the last axis; e = y_true - y_pred: the pinball loss, smallest at the q-quantile.

    Arguments:
        quantile: q, a float between 0 and 1. Default 0.5, half of the absolute error.

    Source: R. Koenker, G. Bassett, Regression quantiles, Econometrica 46, 1978
    """
    error = y_true - y_pred
    return ops.mean(ops.maximum(quantile * error, (quantile - 1.0) * error), axis=-1)


@row_function(outputs)
def poisson(y_true, y_pred):
    """mean(y_pred - y_true log(y_pred + 1e-7)) over the last axis, for counts y_true and rates y_pred."""
    return ops.mean(y_pred - y_true * ops.log(y_pred + EPSILON), axis=-1)


@row_function(distributions)
def cosine_similarity(y_true, y_pred, axis=-1):
    """-cos of the angle between targets and predictions: -1 where they point the same way, 0 for a vector of zeros.

    Arguments:
        axis: along which vectors lie. Default -1.
    """
    return -ops.sum(_unit(y_true, axis) * _unit(y_pred, axis), axis=axis)


def _unit(x, axis):
    """x of length 1. The square is bounded and not the root, so that a vector of zeros has a gradient."""
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), EPSILON**2))


class MeanSquaredError(NamedLoss, of=mean_squared_error): ...


class MeanAbsoluteError(NamedLoss, of=mean_absolute_error): ...


class MeanAbsolutePercentageError(NamedLoss, of=mean_absolute_percentage_error): ...


class MeanSquaredLogarithmicError(NamedLoss, of=mean_squared_logarithmic_error): ...


class Huber(NamedLoss, of=huber, name="huber_loss"): ...


class LogCosh(NamedLoss, of=log_cosh): ...


class Quantile(NamedLoss, of=quantile): ...


class Poisson(NamedLoss, of=poisson): ...


class CosineSimilarity(NamedLoss, of=cosine_similarity): ...
