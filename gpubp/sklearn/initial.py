"""The weights that training begins with: those of scikit-learn for the same random state."""

from itertools import pairwise
from typing import Any

import numpy as np

from gpubp.sklearn.network import Weights


def initial_weights(units: list[int], activation: Any, batch_norm: bool, dtype, random) -> Weights:
    """Uniform in +-sqrt(6 / (inputs + outputs)) of each layer, biases too; with 2 for 6 where all are logistic.

    Arguments:
        units: of all layers.
        activation: the estimator's parameter.
        batch_norm: whether hidden layers are normalised.
        dtype: of the arrays.
        random: a RandomState.

    Source: X. Glorot, Y. Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS
    2010
    """
    factor = 2.0 if activation == "logistic" else 6.0
    weights = Weights([], [])
    for inputs, outputs in pairwise(units):
        limit = np.sqrt(factor / (inputs + outputs))
        weights.coefs.append(random.uniform(-limit, limit, (inputs, outputs)).astype(dtype, copy=False))
        weights.intercepts.append(random.uniform(-limit, limit, outputs).astype(dtype, copy=False))
    for n in units[1:-1] if batch_norm else []:
        one, zero = np.ones(n, dtype), np.zeros(n, dtype)
        weights.normalisation += [one, zero, zero, one]  # gamma, beta, moving mean, moving variance
    return weights
