"""Losses of logits, and of predictions that are taken back to their logits."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn import metrics as sk

import gpubp
from gpubp import losses, ops
from gpubp.layers import Activation, Dense, sketch

RNG = np.random.default_rng(0)
Z = RNG.standard_normal((20, 4)) * 3
LABELS = RNG.integers(0, 4, 20)
ONE_HOT = np.eye(4)[LABELS]


@pytest.mark.parametrize("from_logits", [False, True])
def test_categorical_crossentropies_equal_scikit_learns(from_logits):
    given = Z if from_logits else softmax(Z, axis=1)
    wanted = sk.log_loss(LABELS, softmax(Z, axis=1))
    assert float(losses.SparseCategoricalCrossentropy(from_logits)(LABELS, given)) == pytest.approx(wanted)
    assert float(losses.SparseCategoricalCrossentropy(from_logits)(LABELS[:, None], given)) == pytest.approx(wanted)
    assert float(losses.CategoricalCrossentropy(from_logits)(ONE_HOT, given)) == pytest.approx(wanted)


@pytest.mark.parametrize("from_logits", [False, True])
def test_binary_crossentropy_equals_scikit_learns(from_logits):
    y = (LABELS > 1).astype(float)[:, None]
    given = Z[:, :1] if from_logits else expit(Z[:, :1])
    assert float(losses.BinaryCrossentropy(from_logits)(y, given)) == pytest.approx(sk.log_loss(y, expit(Z[:, :1])))


def test_extreme_logits_neither_overflow_nor_lose_the_gradient():
    """From probabilities the loss would be clipped at 16.1 and its gradient 0; from logits both are exact."""
    z = np.array([[800.0, 0.0], [-800.0, 0.0]])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    value, gradient = gpubp.value_and_grad(lambda z: loss(np.array([1, 0]), z))(z)
    assert float(value) == 800
    np.testing.assert_allclose(gradient, [[0.5, -0.5], [-0.5, 0.5]])
    binary = losses.BinaryCrossentropy(from_logits=True)
    value, gradient = gpubp.value_and_grad(lambda z: binary(np.array([[0.0], [1.0], [1.0]]), z))(
        np.array([[800.0], [-800.0], [0.0]])
    )
    assert float(value) == pytest.approx((1600 + np.log(2)) / 3)
    np.testing.assert_allclose(gradient.ravel(), [1 / 3, -1 / 3, -1 / 6])


@pytest.mark.parametrize("loss", [losses.SparseCategoricalCrossentropy, losses.CategoricalCrossentropy])
@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_what_the_logits_have_in_common_does_not_round_the_loss_away(loss, executor):
    z = np.array([[0, -1, 2], [0, -20, -30]], np.float32) + np.float32(1e5)
    y = np.array([2, 0]) if loss is losses.SparseCategoricalCrossentropy else np.eye(3)[[2, 0]]
    wanted = -log_softmax(z.astype(np.float64), 1)[[0, 1], [2, 0]]
    values = loss(from_logits=True, reduction=None)
    found = gpubp.compile(lambda z: values(y, z), executor)(z)
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_a_small_binary_crossentropy_of_large_logits_keeps_its_digits(executor):
    z, y = np.array([[20.0], [-20.0], [15.0], [0.0], [80.0]], np.float32), np.array([[1.0], [0.0], [1.0], [1.0], [0.0]])
    values = losses.BinaryCrossentropy(True, reduction=None)
    slopes = gpubp.grad(lambda z: ops.sum(values(y, z)), executor=executor)(z)
    exact = z.astype(np.float64)
    wanted = np.log1p(np.exp(np.where(y == 1, -exact, exact)))
    np.testing.assert_allclose(gpubp.compile(lambda z: values(y, z), executor)(z), wanted[:, 0], rtol=1e-6)
    np.testing.assert_allclose(slopes, np.where(y == 1, -expit(-exact), expit(exact)), rtol=1e-6)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("as_layer", [False, True])
def test_an_activation_before_the_loss_is_taken_back_to_its_logits(activation, as_layer):
    """Training with softmax or sigmoid at the end equals training on logits: the same bits."""
    x = RNG.standard_normal((40, 4)).astype(np.float32)
    y, units, loss = (LABELS.repeat(2), 4, losses.SparseCategoricalCrossentropy)
    if activation == "sigmoid":
        y, units, loss = (y > 1).astype(np.float32), 1, losses.BinaryCrossentropy

    def trained(layers, from_logits):
        gpubp.set_random_seed(0)
        model = gpubp.Sequential([gpubp.Input((4,)), *layers])
        model.compile("sgd", loss(from_logits=from_logits))
        model.fit(x, y, verbose=0)
        return model.get_weights()[0]

    last = [Dense(units), Activation(activation)] if as_layer else [Dense(units, activation)]
    assert np.array_equal(trained(last, False), trained([Dense(units)], True))


def test_recorded_losses_keep_the_rows():
    x = sketch.source((4,), np.float32)
    assert losses.MeanSquaredError().call(x, x).shape == (None,)
