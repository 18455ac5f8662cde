"""Metrics that are means: of values, or of a function's values for the rows."""

from collections.abc import Callable

import numpy as np

from gpubp import ops
from gpubp.losses.functions import MadeOfFunction, check_arguments, returned
from gpubp.losses.targets import same_rank
from gpubp.losses.weights import weights_of
from gpubp.metrics.base import Metric, plain, ratio
from gpubp.ops.registry import dims, value


class Sum(Metric):
    """The weighted sum of values. `update_state(values, sample_weight=None)`.

    >>> from gpubp.metrics import Sum
    >>> Sum()([1.0, 3.0], sample_weight=[1, 0])
    1.0
    """

    def sums(self, values, sample_weight=None):
        return {"total": total_and_count(value(values), sample_weight)["total"]}

    def compute(self, sums):
        return plain(sums["total"])


class Average(Metric):
    """Base of the metrics that are total / count, and 0 where nothing was counted."""

    def compute(self, sums):
        return ratio(sums["total"], sums["count"])


class Mean(Average):
    """The weighted mean of values, 0 where there are none. `update_state(values, sample_weight=None)`.

    >>> from gpubp.metrics import Mean
    >>> Mean()([1.0, 3.0], sample_weight=[3, 1])
    1.5
    """

    def sums(self, values, sample_weight=None):
        return total_and_count(value(values), sample_weight)


class MeanMetricWrapper(Average):
    """The weighted mean of a function's values for the rows.

    Arguments:
        fn: function of (y_true, y_pred) over `gpubp.ops` that gives one value for each row.
        name: default the function's.
        dtype: as of `Metric`.
        arguments: further ones of the function, by name.

    >>> from gpubp import metrics
    >>> bias = metrics.MeanMetricWrapper(lambda y_true, y_pred: y_pred - y_true, name="bias")
    >>> bias([1.0, 2.0], [2.0, 4.0])
    1.5
    """

    def __init__(self, fn: Callable, name: str | None = None, dtype=None, **arguments):
        super().__init__(name or getattr(fn, "__name__", "metric"), dtype)
        check_arguments(self.name, arguments)
        self.fn, self.arguments = fn, arguments

    def mask(self, y_true, y_pred):
        """True for the rows that count; None if all do."""

    def sums(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = same_rank(value(y_true), self._predictions(y_pred))
        values = returned(self.name, self.fn(y_true, y_pred, **self.arguments))
        if dims(values) == () and dims(y_pred):  # of a whole batch, which counts by its rows
            values = ops.broadcast_to(values, dims(y_pred)[:1])
        return total_and_count(values, sample_weight, self.mask(y_true, y_pred))

    def get_config(self):
        raise ValueError(f"the metric {self.name!r} is a function of one's own, which a file can't keep")


def total_and_count(values, sample_weight, mask=None):
    """The weighted sum of values and the sum of their weights, in float64: sums over many rows keep their digits."""
    values = ops.cast(values, np.float64)
    weights = weights_of(values, sample_weight, mask)
    if weights is None:
        return {"total": ops.sum(values), "count": ops.count(values)}
    return {"total": ops.sum(values * weights), "count": ops.sum(weights)}


class NamedMean(MadeOfFunction, MeanMetricWrapper):
    """Base of the means of this package: `class LogCoshError(NamedMean, of=losses.log_cosh)`."""

    def get_config(self):
        return {**Metric.get_config(self), **self.arguments}
