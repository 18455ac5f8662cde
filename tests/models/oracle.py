"""Training written out in NumPy with HIPS autograd: what models must come to by themselves."""

import autograd
import numpy as np
import pytest

import gpubp

RNG = np.random.default_rng(7)
X, X2 = RNG.standard_normal((20, 4)), RNG.standard_normal((20, 3))
Y, Y2 = RNG.standard_normal((20, 1)), RNG.standard_normal((20, 2))
LABELS = RNG.integers(0, 3, 20)


@pytest.fixture
def float64():
    """Weights and arithmetic in float64, for close comparisons."""
    gpubp.config.set_floatx("float64")
    yield
    gpubp.config.set_floatx("float32")


def descended(loss, weights, arrays, rate=0.1, batch_size=8, epochs=2):
    """Weights after gradient descent on batches in the order of the rows. `loss(weights, *batch)` is a batch's."""
    gradient = autograd.grad(loss)
    for _ in range(epochs):
        for start in range(0, len(arrays[0]), batch_size):
            batch = [a[start : start + batch_size] for a in arrays]
            weights = [w - rate * g for w, g in zip(weights, gradient(weights, *batch), strict=True)]
    return weights


def fit(model, x, y=None, batch_size=8, epochs=2, **options):
    return model.fit(x, y, batch_size=batch_size, epochs=epochs, shuffle=False, verbose=0, **options)


def assert_trains_like(model, loss, x, y, arrays, rate=0.1, **options):
    """Fits a model that is compiled with SGD, and compares it with the loss of (weights in the model's order, *batch).

    `arrays` are the rows that the loss takes, `options` what `fit` gets besides.
    """
    wanted = descended(loss, [w.copy() for w in model.get_weights()], arrays, rate)
    fit(model, x, y, **options)
    for found, w in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(found, w, rtol=1e-9, atol=1e-12)


def flat(model) -> np.ndarray:
    return np.concatenate([w.ravel() for w in model.get_weights()] or [np.zeros(0)])
