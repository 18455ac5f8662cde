"""The coefficient of determination."""

import warnings

import numpy as np

from gpubp import ops
from gpubp.losses.targets import outputs
from gpubp.losses.weights import weights_of
from gpubp.metrics.base import Metric, plain, ratio
from gpubp.ops.registry import dims

ROUNDING = 1e-14  # the share of a sum of squares that rounding explains: a variance below it is 0


class R2Score(Metric):
    """1 - sum(w (y_true - y_pred)^2) / sum(w (y_true - mean)^2) of each output.

    For targets that do not vary it is 1 where the predictions are right, else 0.

    Arguments:
        class_aggregation: "uniform_average", the mean over the outputs; "variance_weighted_average", their mean
            weighted by variance; None, an array. Default "uniform_average".
        num_regressors: p; 1 - (1 - R2) (n - 1) / (n - p - 1) of n rows is given if it is not 0. Default 0.
        name, dtype: as of `Metric`.

    Raises:
        ValueError: for arguments out of range.

    Source: https://keras.io/api/metrics/regression_metrics
    """

    def __init__(self, class_aggregation="uniform_average", num_regressors=0, name="r2_score", dtype=None):
        super().__init__(name, dtype)
        if class_aggregation not in (None, "uniform_average", "variance_weighted_average"):
            raise ValueError(
                "class_aggregation must be None, 'uniform_average' or 'variance_weighted_average'; "
                f"it is {class_aggregation!r}"
            )
        if num_regressors < 0:
            raise ValueError(f"num_regressors must be at least 0; it is {num_regressors!r}")
        self.class_aggregation, self.num_regressors = class_aggregation, num_regressors

    def sums(self, y_true, y_pred, sample_weight=None):
        # In float64, since the squares of float32 targets far from 0 would lose their variance.
        true, predicted = (ops.cast(y, np.float64) for y in outputs(self.name, y_true, self._predictions(y_pred)))
        rows = tuple(range(len(dims(true)) - 1))
        parts = {"sum": true, "squared_sum": ops.square(true), "residual": ops.square(true - predicted)}
        weights = weights_of(true, sample_weight)
        if weights is None:
            count = ops.count(true, axis=rows)
            return {n: ops.sum(x, axis=rows) for n, x in parts.items()} | {"count": count, "samples": count}
        parts = {"count": weights} | {name: weights * x for name, x in parts.items()}
        parts["samples"] = ops.not_equal(weights, 0.0)
        return {name: ops.sum(x, axis=rows) for name, x in parts.items()}

    def compute(self, sums):
        count, total, squared, residual = (np.asarray(sums[n]) for n in ("count", "sum", "squared_sum", "residual"))
        variance = squared - np.asarray(ratio(total * total, count))
        variance = np.where(variance > ROUNDING * squared, variance, 0.0)
        scores = np.where(variance == 0, residual <= ROUNDING * squared, 1 - ratio(residual, variance)) * (count > 0)
        return plain(self._adjusted(self._aggregated(scores, variance), np.max(sums["samples"])))

    def _aggregated(self, scores, variance):
        if self.class_aggregation is None:
            return scores
        by_variance = self.class_aggregation == "variance_weighted_average" and variance.any()
        return np.average(scores, weights=variance if by_variance else None)

    def _adjusted(self, scores, rows):
        spare = rows - self.num_regressors - 1
        if not self.num_regressors:
            return scores
        if spare <= 0:
            problem = f"{rows:.0f} rows are too few to adjust R2 by {self.num_regressors} regressors"
            warnings.warn(f"{self.name}: {problem}; the plain R2 is given", stacklevel=2)
            return scores
        return 1 - (1 - scores) * (rows - 1) / spare

    def get_config(self):
        own = {"class_aggregation": self.class_aggregation, "num_regressors": self.num_regressors}
        return {**super().get_config(), **own}
