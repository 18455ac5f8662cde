"""Losses of how far two sets overlap; of a whole batch unless an axis is given, so that they are no sums over rows."""

from gpubp import ops
from gpubp.losses.base import NamedLoss
from gpubp.losses.functions import row_function
from gpubp.losses.targets import EPSILON, distributions


@row_function(distributions)
def dice(y_true, y_pred, axis=None):
    """1 - 2 sum(y_true y_pred) / (sum(y_true) + sum(y_pred)).

    Arguments:
        axis: to sum over, an int. Default None: all, the rows included, which gives one value for the batch.

    Source: L. Dice, Measures of the amount of ecologic association between species, Ecology 26, 1945
    """
    common, both = (ops.sum(x, axis=axis) for x in (y_true * y_pred, y_true + y_pred))
    return 1.0 - 2.0 * common / (both + EPSILON)


@row_function(distributions)
def tversky(y_true, y_pred, alpha=0.5, beta=0.5, axis=None):
    """1 - TP / (TP + alpha FP + beta FN), with the sums of y_true y_pred, (1 - y_true) y_pred and y_true (1 - y_pred).

    Arguments:
        alpha, beta: weights of false positives and of false negatives. Defaults 0.5, with which it is `dice`.
        axis: as of `dice`.

    Source: S. Salehi et al., Tversky loss function for image segmentation, 2017, arXiv:1706.05721
    """
    parts = (y_true * y_pred, (1.0 - y_true) * y_pred, y_true * (1.0 - y_pred))
    hit, false_positive, false_negative = (ops.sum(x, axis=axis) for x in parts)
    return 1.0 - hit / (hit + alpha * false_positive + beta * false_negative + EPSILON)


class Dice(NamedLoss, of=dice): ...


class Tversky(NamedLoss, of=tversky): ...
