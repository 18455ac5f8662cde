"""The losses as metrics: each is the mean of the loss's values."""

import numpy as np

from gpubp import losses
from gpubp.losses.probabilistic import counted_labels
from gpubp.metrics.base import plain
from gpubp.metrics.means import NamedMean


class MeanSquaredError(NamedMean, of=losses.mean_squared_error): ...


class RootMeanSquaredError(NamedMean, of=losses.mean_squared_error, name="root_mean_squared_error"):
    """The root of the mean squared error over all rows."""

    def compute(self, sums):
        return plain(np.sqrt(super().compute(sums)))


class MeanAbsoluteError(NamedMean, of=losses.mean_absolute_error): ...


class MeanAbsolutePercentageError(NamedMean, of=losses.mean_absolute_percentage_error): ...


class MeanSquaredLogarithmicError(NamedMean, of=losses.mean_squared_logarithmic_error): ...


class Huber(NamedMean, of=losses.huber): ...


class LogCoshError(NamedMean, of=losses.log_cosh, name="logcosh"): ...


class Quantile(NamedMean, of=losses.quantile): ...


class Poisson(NamedMean, of=losses.poisson): ...


class KLDivergence(NamedMean, of=losses.kl_divergence): ...


class BinaryCrossentropy(NamedMean, of=losses.binary_crossentropy): ...


class BinaryFocalCrossentropy(NamedMean, of=losses.binary_focal_crossentropy): ...


class CategoricalCrossentropy(NamedMean, of=losses.categorical_crossentropy): ...


class CategoricalFocalCrossentropy(NamedMean, of=losses.categorical_focal_crossentropy): ...


class SparseCategoricalCrossentropy(NamedMean, of=losses.sparse_categorical_crossentropy):
    def mask(self, y_true, y_pred):
        return counted_labels(y_true, y_pred, self.arguments["ignore_class"])


class Hinge(NamedMean, of=losses.hinge): ...


class SquaredHinge(NamedMean, of=losses.squared_hinge): ...


class CategoricalHinge(NamedMean, of=losses.categorical_hinge): ...


class Dice(NamedMean, of=losses.dice): ...


class Tversky(NamedMean, of=losses.tversky): ...


def cosine_similarity(y_true, y_pred, axis=-1):
    """The cosine of the angle between targets and predictions; the loss of that name is its negative.

    Arguments:
        axis: along which vectors lie. Default -1.
    """
    return -losses.cosine_similarity(y_true, y_pred, axis)


class CosineSimilarity(NamedMean, of=cosine_similarity): ...
