"""The confusion matrix."""

import numpy as np

from gpubp import ops
from gpubp.losses.functions import check_arguments
from gpubp.losses.targets import logits_of, same_rank
from gpubp.losses.weights import weights_of
from gpubp.metrics.base import Metric
from gpubp.ops.linalg import gemm
from gpubp.ops.registry import dims, value


class ConfusionMatrix(Metric):
    """How many rows, or what weight of them, are of class i and predicted to be of class j.

    Arguments:
        num_classes: int >= 1.
        threshold: of one output: above it the class is 1. Default 0.5.
        name, dtype: as of `Metric`.

    The result is a float64 array (num_classes, num_classes).

    >>> from gpubp.metrics import ConfusionMatrix
    >>> ConfusionMatrix(2)([0, 1, 1], [[0.2], [0.9], [0.4]]).tolist()
    [[1.0, 0.0], [1.0, 1.0]]
    """

    def __init__(self, num_classes, threshold=0.5, name=None, dtype=None):
        super().__init__(name, dtype)
        check_arguments(self.name, {"num_classes": num_classes, "threshold": threshold})
        self.num_classes, self.threshold = num_classes, threshold

    def sums(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = same_rank(value(y_true), self._predictions(y_pred))
        predicted = self._classes(y_pred)
        one_hot = len(dims(y_true)) == len(dims(y_pred)) and dims(y_true)[-1] != 1
        true = ops.argmax(y_true, -1) if one_hot else ops.reshape(ops.cast(y_true, np.int64), dims(predicted))
        true, predicted = (
            ops.one_hot(ops.reshape(x, (-1,)), self.num_classes, dtype="float64") for x in (true, predicted)
        )
        weights = weights_of(ops.sum(true, axis=-1), sample_weight)
        if weights is not None:
            true = true * ops.expand_dims(weights, -1)
        return {"matrix": gemm(true, predicted, ta=True, tb=False)}

    def _classes(self, y_pred):
        if len(dims(y_pred)) == 1 or dims(y_pred)[-1] == 1:
            flat = y_pred if len(dims(y_pred)) == 1 else ops.squeeze(y_pred, -1)
            return ops.cast(flat > self.threshold, np.int64)
        z = logits_of(y_pred, "softmax")
        return ops.argmax(y_pred if z is None else z, -1)

    def compute(self, sums):
        return np.zeros((self.num_classes, self.num_classes)) + sums["matrix"]

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes, "threshold": self.threshold}
