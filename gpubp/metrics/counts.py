"""Metrics of right and wrong positives and negatives, at one threshold or several."""

from collections.abc import Sequence

import numpy as np

from gpubp import ops
from gpubp.losses.functions import check_arguments
from gpubp.losses.targets import labels, outputs
from gpubp.losses.weights import weights_of
from gpubp.metrics.base import Metric, plain, ratio
from gpubp.ops.registry import dims, value

LOWEST = -1e10  # below any prediction: those that top_k leaves count as positive, the others do not


class ThresholdCounts(Metric):
    """Counts of predictions above thresholds, by whether they are right; base of the metrics made of them.

    Targets are ones and zeros of the shape of the predictions; integer labels beside several classes stand for these.

    Arguments:
        thresholds: number or list of numbers in [0, 1]; a prediction above it is positive. Default 0.5.
        name, dtype: as of `Metric`.
    """

    counted: tuple[str, ...] = ()  # of the keys of `conditions`

    def __init__(self, thresholds=None, name=None, dtype=None):
        super().__init__(name, dtype)
        self.thresholds = _checked(thresholds)

    def sums(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred, weights = self._rows(y_true, y_pred, sample_weight)
        y_true, y_pred, weights = (x if x is None else ops.reshape(x, (-1, 1)) for x in (y_true, y_pred, weights))
        conditions = self._conditions(y_true, ops.greater(y_pred, self._limits(y_pred.dtype)))
        return {name: counts(conditions[name], weights) for name in self.counted}

    def _conditions(self, y_true, above):
        positive, negative, below = ops.not_equal(y_true, 0.0), ops.equal(y_true, 0.0), ops.logical_not(above)
        return {
            "true_positives": ops.logical_and(positive, above),
            "false_positives": ops.logical_and(negative, above),
            "true_negatives": ops.logical_and(negative, below),
            "false_negatives": ops.logical_and(positive, below),
        }

    def _rows(self, y_true, y_pred, sample_weight):
        """Targets, predictions and weights (or None) of one shape."""
        y_true, y_pred = indicators(self.name, y_true, self._predictions(y_pred))
        return y_true, y_pred, weights_of(y_pred, sample_weight)

    def _limits(self, dtype):
        return np.asarray([0.5] if self.thresholds is None else np.atleast_1d(self.thresholds), dtype)

    def compute(self, sums):
        return self._of_each(sums[self.counted[0]])

    def _of_each(self, values):
        """The values of the thresholds: a number if there is one."""
        values = np.asarray(values, np.float64)
        return plain(values[0] if values.shape == (1,) else values)

    def get_config(self):
        return {**super().get_config(), "thresholds": self.thresholds}


class TruePositives(ThresholdCounts):
    """The weight of the ones that were predicted."""

    counted = ("true_positives",)


class FalsePositives(ThresholdCounts):
    """The weight of the zeros that were predicted to be ones."""

    counted = ("false_positives",)


class TrueNegatives(ThresholdCounts):
    """The weight of the zeros that were predicted."""

    counted = ("true_negatives",)


class FalseNegatives(ThresholdCounts):
    """The weight of the ones that were predicted to be zeros."""

    counted = ("false_negatives",)


class ClassCounts(ThresholdCounts):
    """Base of precision and recall: the share of the first count in the sum of both, 0 where that is 0.

    Arguments:
        thresholds: number or list of numbers in [0, 1]; a prediction above it is positive. Default 0.5; with top_k
            all that are among the largest are positive.
        top_k: int: only the k largest predictions of a row can be positive; of equals the first. Default all.
        class_id: int: only this class counts. Default all.
        name, dtype: as of `Metric`.
    """

    def __init__(self, thresholds=None, top_k=None, class_id=None, name=None, dtype=None):
        super().__init__(thresholds, name, dtype)
        if top_k is not None:
            check_arguments(self.name, {"k": top_k})
        self.top_k, self.class_id = top_k, class_id

    def _rows(self, y_true, y_pred, sample_weight):
        y_true, y_pred, weights = super()._rows(y_true, y_pred, sample_weight)
        if self.top_k is not None:
            places = ops.argsort(ops.argsort(-y_pred))
            y_pred = ops.where(ops.less(places, self.top_k), y_pred, LOWEST)
        if self.class_id is None:
            return y_true, y_pred, weights
        return tuple(x if x is None else self._of_class(x) for x in (y_true, y_pred, weights))

    def _of_class(self, x):
        classes = x.shape[-1]
        if not 0 <= self.class_id < classes:
            raise ValueError(f"{self.name}: class_id must be in 0..{classes - 1}; it is {self.class_id!r}")
        return x[..., self.class_id : self.class_id + 1]

    def _limits(self, dtype):
        if self.top_k is not None and self.thresholds is None:
            return np.asarray([LOWEST], dtype)
        return super()._limits(dtype)

    def compute(self, sums):
        right, wrong = (sums[name] for name in self.counted)
        return self._of_each(ratio(right, right + wrong))

    def get_config(self):
        return {**super().get_config(), "top_k": self.top_k, "class_id": self.class_id}


class Precision(ClassCounts):
    """TP / (TP + FP): the share of ones among what was predicted to be one; 0 if nothing was.

    Arguments as of `ClassCounts`.

    >>> from gpubp.metrics import Precision
    >>> Precision()([0, 1, 1, 1], [0.9, 0.2, 0.8, 0.7], sample_weight=[1, 1, 1, 0])
    0.5
    """

    counted = ("true_positives", "false_positives")


class Recall(ClassCounts):
    """TP / (TP + FN): the share of ones that were predicted; 0 if there are none.

    Arguments as of `ClassCounts`.
    """

    counted = ("true_positives", "false_negatives")


def counts(condition, weights):
    """How many rows, or what weight of them, meet a condition: (rows, ...) -> (...)."""
    if weights is None:
        return ops.sum(condition, axis=0)
    return ops.sum(ops.where(condition, ops.cast(weights, np.float64), 0.0), axis=0)


def indicators(what, y_true, y_pred):
    """Targets in the shape of the predictions: integer labels beside several classes become ones and zeros."""
    y_true = value(y_true)
    given, wanted = dims(y_true), dims(y_pred)
    if wanted[1:] and wanted[-1] != 1 and (len(given) < len(wanted) or given[-1] == 1):
        y_true, _ = labels(what, y_true, y_pred)
        y_true = ops.one_hot(y_true, y_pred.shape[-1], dtype=y_pred.dtype)
    return outputs(what, y_true, y_pred)


def _checked(thresholds):
    """A number or a list of numbers in [0, 1], or None."""
    each = [] if thresholds is None else list(thresholds) if isinstance(thresholds, Sequence) else [thresholds]
    if thresholds is not None and not (each and all(0 <= t <= 1 for t in each)):
        raise ValueError(f"thresholds must be a number or a list of numbers between 0 and 1; they are {thresholds!r}")
    return each if isinstance(thresholds, Sequence) else thresholds
