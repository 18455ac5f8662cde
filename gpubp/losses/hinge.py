"""Losses of margins, for predictions that are scores."""

from gpubp import ops
from gpubp.losses.base import NamedLoss
from gpubp.losses.functions import row_function
from gpubp.losses.targets import distributions, outputs


@row_function(outputs)
def hinge(y_true, y_pred):
    """mean(max(1 - y_true y_pred, 0)) over the last axis, for labels -1 and 1, or 0 and 1."""
    return ops.mean(_margin(y_true, y_pred), axis=-1)


@row_function(outputs)
def squared_hinge(y_true, y_pred):
    """mean(max(1 - y_true y_pred, 0)^2) over the last axis, for labels -1 and 1, or 0 and 1."""
    return ops.mean(ops.square(_margin(y_true, y_pred)), axis=-1)


def _margin(y_true, y_pred):
    # Label by label: what a 0 means must not depend on the other rows of the batch.
    signs = ops.where(ops.equal(y_true, 0.0), -1.0, y_true)
    return ops.maximum(1.0 - signs * y_pred, 0.0)


@row_function(distributions)
def categorical_hinge(y_true, y_pred):
    """max(1 + max((1 - y_true) y_pred) - sum(y_true y_pred), 0) over the last axis, for one-hot labels."""
    wrong = ops.max((1.0 - y_true) * y_pred, axis=-1)
    right = ops.sum(y_true * y_pred, axis=-1)
    return ops.maximum(wrong - right + 1.0, 0.0)


class Hinge(NamedLoss, of=hinge): ...


class SquaredHinge(NamedLoss, of=squared_hinge): ...


class CategoricalHinge(NamedLoss, of=categorical_hinge): ...
