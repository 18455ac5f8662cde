"""What a metric is: sums over the rows, and a function of them on the host."""

from collections import defaultdict
from typing import Any

import numpy as np

from gpubp.losses.targets import in_dtype
from gpubp.names import snake_case
from gpubp.ops.registry import value


class Metric:
    """Base of metrics: subclasses define `sums`, in ops, and `compute`, in NumPy.

    Evaluation adds up the sums of all batches in float64 and computes once, so that a metric is that of all rows
    together. Called on arrays, a metric adds them to what it has seen since `reset_state`.

    Arguments:
        name: of its results. Default the class's name in lower case.
        dtype: float dtype of the predictions in `sums`. Default their own.

    Source: https://keras.io/api/metrics

    >>> from gpubp import metrics, ops
    >>> class Hits(metrics.Metric):
    ...     def sums(self, y_true, y_pred, sample_weight=None):
    ...         return {"hits": ops.sum(ops.equal(y_true, y_pred))}
    ...     def compute(self, sums):
    ...         return float(sums["hits"])
    >>> Hits()([1, 2, 3], [1, 2, 4])
    2.0
    """

    collect: tuple[str, ...] = ()  # of the results of `sums`, those that are put in a row instead of added up

    def __init__(self, name: str | None = None, dtype: Any = None):
        self.name, self.dtype = name or snake_case(type(self).__name__), dtype
        self._seen: dict[str, Any] = {}

    def sums(self, *inputs, **named) -> dict:
        """What the rows of a batch contribute: arrays of fixed shapes, or symbols, by name.

        Arguments:
            y_true, y_pred: arrays or symbols, (rows, ...).
            sample_weight: (rows,), or as losses take it. Default none.
            `Sum` and `Mean` take values and weights instead.

        Raises:
            ValueError: for shapes that do not fit.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define sums")

    def compute(self, sums: dict) -> Any:
        """The metric from the sums of all batches: a float, or an array."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute")

    def update_state(self, *inputs, **named):
        """Adds the sums of arrays. Arguments and errors as of `sums`; nothing changes where it raises."""
        for name, part in self.sums(*inputs, **named).items():
            part = np.asarray(part)
            if name in self.collect:
                self._seen[name] = [*self._seen.get(name, []), part]
            else:
                self._seen[name] = self._seen.get(name, 0.0) + part.astype(np.float64)

    def result(self) -> Any:
        """The metric of what was seen since `reset_state`."""
        seen = {name: np.concatenate(part) if name in self.collect else part for name, part in self._seen.items()}
        return self.compute(defaultdict(float, seen))

    def reset_state(self):
        """Forgets what was seen."""
        self._seen = {}

    def __call__(self, *inputs, **named) -> Any:
        """Adds the sums of arrays, and gives the metric of all that was seen."""
        self.update_state(*inputs, **named)
        return self.result()

    def get_config(self) -> dict:
        """The arguments that make an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    def __repr__(self):
        return f"<{type(self).__name__} {self.name!r}>"

    def _predictions(self, y_pred):
        return in_dtype(value(y_pred), self.dtype)


def ratio(numerator, divisor):
    """numerator / divisor on the host, and 0 where the divisor is 0."""
    numerator, divisor = np.broadcast_arrays(np.asarray(numerator, np.float64), np.asarray(divisor, np.float64))
    return plain(np.divide(numerator, divisor, out=np.zeros(divisor.shape), where=divisor != 0))


def plain(x):
    """A float for an array without axes."""
    return float(x) if np.ndim(x) == 0 else x
