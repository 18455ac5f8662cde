"""The area under the curve."""

from collections.abc import Callable

import numpy as np

from gpubp import ops
from gpubp.losses.targets import EPSILON
from gpubp.losses.weights import weights_of
from gpubp.metrics.base import Metric, plain, ratio
from gpubp.metrics.counts import counts, indicators
from gpubp.metrics.ranking import average_precision, roc_area
from gpubp.ops.registry import dims
from gpubp.ops.shapes import public

EXACT: dict[str, Callable] = {"ROC": roc_area, "PR": average_precision}
HEIGHTS: dict[str, Callable] = {
    "interpolation": lambda a, b: (a + b) / 2,
    "majoring": np.maximum,
    "minoring": np.minimum,
}


class AUC(Metric):
    """The area under the ROC curve, or under that of precision against recall, from counts at thresholds.

    Probabilities between two thresholds are not told apart, so that the area differs from the exact one by at most
    half of the share of pairs of a one and a zero that lie between the same two.

    Arguments:
        num_thresholds: int >= 2, evenly spread over [0, 1]. Default 200.
        curve: "ROC" or "PR". Default "ROC".
        summation_method: "interpolation", "minoring" (from below) or "majoring" (from above). Default "interpolation":
            trapezoids for ROC, and for PR what interpolates true positives and not precision.
        thresholds: list of numbers in [0, 1] to use, with 0 and 1, instead. Default none.
        multi_label: whether the area is the mean of those of the columns; else all columns are one. Default False.
        label_weights: weights of the columns. Default 1.
        from_logits: whether predictions are logits, which pass a sigmoid first. Default False.
        exact: whether the predictions are kept and ranked: the probability that a one ranks above a zero, ties half,
            or average precision; both as scikit-learn has them. Default False.
        name, dtype: as of `Metric`.

    Raises:
        ValueError: for arguments out of range.

    Source: https://keras.io/api/metrics/classification_metrics; J. Davis, M. Goadrich, The relationship between
    precision-recall and ROC curves, ICML 2006, for the interpolation

    >>> from gpubp.metrics import AUC
    >>> round(AUC()([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]), 4)
    0.75
    """

    def __init__(
        self,
        num_thresholds=200,
        curve="ROC",
        summation_method="interpolation",
        thresholds=None,
        multi_label=False,
        label_weights=None,
        from_logits=False,
        exact=False,
        name=None,
        dtype=None,
    ):
        super().__init__(name, dtype)
        if curve.upper() not in EXACT:
            raise ValueError(f"curve must be 'ROC' or 'PR'; it is {curve!r}")
        if summation_method.lower() not in HEIGHTS:
            raise ValueError(f"summation_method must be one of {', '.join(HEIGHTS)}; it is {summation_method!r}")
        if thresholds is None and num_thresholds < 2:
            raise ValueError(f"num_thresholds must be at least 2; it is {num_thresholds!r}")
        if thresholds is not None and not all(0 <= t <= 1 for t in thresholds):
            raise ValueError(f"thresholds must be between 0 and 1; they are {thresholds!r}")
        self.curve, self.summation_method = curve.upper(), summation_method.lower()
        self.given, self.num_thresholds = thresholds, num_thresholds
        self.multi_label, self.label_weights, self.from_logits = multi_label, label_weights, from_logits
        self.exact, self.collect = exact, ("y_true", "y_pred", "sample_weight") if exact else ()

    @property
    def thresholds(self) -> np.ndarray:
        """In ascending order, from just below 0 to just above 1, so that all predictions are above the first."""
        inner = np.linspace(0, 1, self.num_thresholds)[1:-1] if self.given is None else np.sort(self.given)
        return np.concatenate([[-EPSILON], inner, [1 + EPSILON]])

    def sums(self, y_true, y_pred, sample_weight=None):
        y_pred = self._predictions(y_pred)
        y_true, y_pred = indicators(self.name, y_true, ops.sigmoid(y_pred) if self.from_logits else y_pred)
        self._check_columns(dims(y_pred))
        weights = weights_of(y_pred, sample_weight)
        columns = dims(y_pred)[-1]
        y_true, y_pred, weights = (
            None if x is None else ops.reshape(x, (-1, columns)) for x in (y_true, y_pred, weights)
        )
        if self.exact:
            weights = np.ones(dims(y_pred)) if weights is None else weights
            return {"y_true": y_true, "y_pred": y_pred, "sample_weight": weights}
        y_true, y_pred, weights = (None if x is None else ops.expand_dims(x, 1) for x in (y_true, y_pred, weights))
        limits = self.thresholds.astype(y_pred.dtype)[:, None]
        above = ops.greater(ops.clip(y_pred, 0.0, 1.0), limits)
        truths = {"true_positives": ops.not_equal(y_true, 0.0), "false_positives": ops.equal(y_true, 0.0)}
        return {name: counts(ops.logical_and(truth, above), weights) for name, truth in truths.items()}

    def _check_columns(self, shape):
        if self.multi_label and len(shape) != 2:
            raise ValueError(f"{self.name}: multi_label takes (rows, labels); the shape is {public(shape)}")
        if self.label_weights is not None and len(self.label_weights) != shape[-1]:
            raise ValueError(
                f"{self.name}: there are {len(self.label_weights)} label_weights and {shape[-1]} columns of predictions"
            )

    def compute(self, sums):
        if not sums:
            return 0.0
        areas = (self._exact if self.exact else self._from_counts)(sums)
        weighted = self.multi_label and self.label_weights is not None
        return plain(np.mean(areas)) if not weighted else ratio(areas @ self._shares(areas), np.sum(self.label_weights))

    def _shares(self, columns):
        """The weights of the columns, which are the last axis."""
        return np.broadcast_to(1.0 if self.label_weights is None else np.asarray(self.label_weights), columns.shape)

    def _exact(self, sums):
        y_true, y_pred, weights = sums["y_true"], sums["y_pred"], sums["sample_weight"]
        if not self.multi_label:
            weights = weights * self._shares(weights)
            y_true, y_pred, weights = (x.reshape(-1, 1) for x in (y_true, y_pred, weights))
        return np.array([EXACT[self.curve](*column) for column in zip(y_true.T, y_pred.T, weights.T, strict=True)])

    def _from_counts(self, sums):
        """The areas of the columns, or of all of them as one."""
        hit, wrong = sums["true_positives"], sums["false_positives"]
        if not self.multi_label:
            hit, wrong = (np.sum(x * self._shares(x), axis=1, keepdims=True) for x in (hit, wrong))
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated(hit, wrong)
        recall = ratio(hit, hit[0])
        x, y = (recall, ratio(hit, hit + wrong)) if self.curve == "PR" else (ratio(wrong, wrong[0]), recall)
        return np.sum((x[:-1] - x[1:]) * HEIGHTS[self.summation_method](y[:-1], y[1:]), axis=0)

    def get_config(self):
        own = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "thresholds": self.given,
            "multi_label": self.multi_label,
            "label_weights": self.label_weights,
            "from_logits": self.from_logits,
            "exact": self.exact,
        }
        return {**super().get_config(), **own}


def _interpolated(hit, wrong):
    """Precision against recall; between thresholds true positives are linear in the number of positives."""
    positive = hit + wrong
    slope = ratio(hit[:-1] - hit[1:], positive[:-1] - positive[1:])
    intercept = hit[1:] - slope * positive[1:]
    both = (positive[:-1] > 0) & (positive[1:] > 0)
    quotient = np.divide(positive[:-1], positive[1:], out=np.ones_like(slope), where=both)
    return np.sum(ratio(slope * (hit[:-1] - hit[1:] + intercept * np.log(quotient)), hit[0]), axis=0)
