"""F scores: the weighted harmonic mean of precision and recall."""

import numpy as np

from gpubp import ops
from gpubp.losses.weights import weights_of
from gpubp.metrics.base import Metric, plain, ratio
from gpubp.metrics.counts import indicators
from gpubp.ops.registry import dims
from gpubp.ops.shapes import public


class FBetaScore(Metric):
    """(1 + b^2) P R / (b^2 P + R) of precision P and recall R of each class; 0 where both are 0.

    Takes predictions (rows, classes) with targets of that shape, or with integer labels.

    Arguments:
        average: None, an array of the classes' scores; "macro", their mean; "weighted", their mean weighted by how
            many rows are of each; "micro", the score of all classes' counts together. Default None.
        beta: b > 0: how much more recall weighs than precision. Default 1.
        threshold: predictions above it are positive; in (0, 1]. Default None: the largest of each row.
        name, dtype: as of `Metric`.

    Raises:
        ValueError: for arguments out of range.

    Source: https://keras.io/api/metrics/classification_metrics
    """

    def __init__(self, average=None, beta=1.0, threshold=None, name="fbeta_score", dtype=None):
        super().__init__(name, dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(f"average must be None, 'micro', 'macro' or 'weighted'; it is {average!r}")
        if not beta > 0:
            raise ValueError(f"beta must be greater than 0; it is {beta!r}")
        if threshold is not None and not 0 < threshold <= 1:
            raise ValueError(f"threshold must be greater than 0 and at most 1, or None; it is {threshold!r}")
        self.average, self.beta, self.threshold = average, beta, threshold

    def sums(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = indicators(self.name, y_true, self._predictions(y_pred))
        if len(dims(y_pred)) != 2:
            raise ValueError(f"{self.name} takes predictions (rows, classes); their shape is {public(dims(y_pred))}")
        true, hit = (ops.cast(x, np.float64) for x in (y_true, self._positive(y_pred)))
        weights = weights_of(true, sample_weight)
        parts = {
            "true_positives": true * hit,
            "false_positives": (1.0 - true) * hit,
            "false_negatives": true * (1.0 - hit),
        }
        return {n: ops.sum(x if weights is None else x * weights, axis=0) for n, x in parts.items()}

    def _positive(self, y_pred):
        if self.threshold is not None:
            return ops.greater(y_pred, self.threshold)
        largest = ops.greater_equal(y_pred, ops.max(y_pred, axis=-1, keepdims=True))
        return ops.logical_and(largest, ops.greater(ops.abs(y_pred), 1e-9))

    def compute(self, sums):
        hit, wrong, missed = (
            np.asarray(sums[name], np.float64) for name in ("true_positives", "false_positives", "false_negatives")
        )
        if self.average == "micro":
            hit, wrong, missed = hit.sum(), wrong.sum(), missed.sum()
        square = self.beta**2
        scores = ratio((1 + square) * hit, (1 + square) * hit + square * missed + wrong)
        if self.average == "weighted":
            return ratio(np.sum(scores * (hit + missed)), np.sum(hit + missed))
        return plain(scores if self.average is None else np.mean(scores))

    def get_config(self):
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**super().get_config(), **own}


class F1Score(FBetaScore):
    """2 P R / (P + R) of precision P and recall R: `FBetaScore` with beta = 1, of which it takes the other arguments.

    >>> from gpubp.metrics import F1Score
    >>> F1Score(average="micro", threshold=0.5)([[1], [0], [1]], [[0.9], [0.8], [0.1]])
    0.5
    """

    def __init__(self, average=None, threshold=None, name="f1_score", dtype=None):
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self):
        config = super().get_config()
        del config["beta"]
        return config
