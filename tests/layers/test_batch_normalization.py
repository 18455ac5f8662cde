"""Batch normalisation against the equations of its paper, over steps of training, and at the end of an epoch."""

import numpy as np
import pytest

import gpubp
from gpubp import layers, ops

EPSILON = 1e-3


def forward(x, gamma, beta):
    mean, variance = x.mean(0), x.var(0)
    hat = (x - mean) / np.sqrt(variance + EPSILON)
    return gamma * hat + beta, hat, mean, variance


def paper_gradient(x, gamma, dy):
    """S. Ioffe, C. Szegedy, 2015, section 3: the gradients by x, gamma and beta, written out."""
    m, mean, variance = len(x), x.mean(0), x.var(0)
    d_hat = dy * gamma
    d_variance = np.sum(d_hat * (x - mean), 0) * -0.5 * (variance + EPSILON) ** -1.5
    d_mean = np.sum(-d_hat / np.sqrt(variance + EPSILON), 0) + d_variance * np.mean(-2 * (x - mean), 0)
    dx = d_hat / np.sqrt(variance + EPSILON) + d_variance * 2 * (x - mean) / m + d_mean / m
    return dx, np.sum(dy * (x - mean) / np.sqrt(variance + EPSILON), 0), np.sum(dy, 0)


def test_the_gradient_is_that_of_the_paper():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((6, 3)) * 3 + 1, rng.standard_normal((6, 3))
    layer = layers.BatchNormalization(dtype="float64")
    layer(x)
    layer.set_weights([rng.uniform(0.5, 2, 3), rng.standard_normal(3), np.zeros(3), np.ones(3)])
    found = gpubp.grad(lambda x: ops.sum(layer(x, training=True) * dy))(x)
    np.testing.assert_allclose(found, paper_gradient(x, layer.gamma.numpy(), dy)[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_steps_of_training_follow_the_equations(run_eagerly):
    """Gradient descent on the mean square error; batches of 4, the last of 2 rows, for three epochs."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((10, 3)) * 2 + 5, rng.standard_normal((10, 3))
    model = gpubp.Sequential([gpubp.Input((3,)), layers.BatchNormalization(momentum=0.8)])
    model.compile(gpubp.optimizers.SGD(0.1), "mse", run_eagerly=run_eagerly)
    gamma, beta, moving_mean, moving_variance = np.ones(3), np.zeros(3), np.zeros(3), np.ones(3)
    model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    for _ in range(3):
        for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):
            out, _, mean, variance = forward(x[rows], gamma, beta)
            _, d_gamma, d_beta = paper_gradient(x[rows], gamma, 2 * (out - y[rows]) / out.size)
            gamma, beta = gamma - 0.1 * d_gamma, beta - 0.1 * d_beta
            moving_mean = 0.8 * moving_mean + 0.2 * mean
            moving_variance = 0.8 * moving_variance + 0.2 * variance
    wanted = [gamma, beta, moving_mean, moving_variance]
    for found, right in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
    out = gamma * (x - moving_mean) / np.sqrt(moving_variance + EPSILON) + beta
    np.testing.assert_allclose(model.predict(x, batch_size=4, verbose=0), out, rtol=1e-4, atol=1e-4)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(np.mean((out - y) ** 2), rel=1e-4)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_layer_that_is_called_twice_follows_both(run_eagerly):
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((6, 2)) + 3, rng.standard_normal((6, 2)) - 1
    first, second = gpubp.Input((2,), name="a"), gpubp.Input((2,), name="b")
    layer = layers.BatchNormalization(momentum=0.5)
    model = gpubp.Model([first, second], layers.Add()([layer(first), layer(second)]))
    model.compile("sgd", "mse", run_eagerly=run_eagerly)
    model.fit([a, b], np.zeros((6, 2)), batch_size=6, shuffle=False, verbose=0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.25 * a.mean(0) + 0.5 * b.mean(0), rtol=1e-5)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.25 + 0.25 * a.var(0) + 0.5 * b.var(0), rtol=1e-5)


def test_a_variance_far_from_zero_keeps_its_digits():
    """One pass, the mean of squares minus the square of the mean, would be wrong by 100 % in float32."""
    x = np.random.default_rng(3).standard_normal((1000, 1)).astype(np.float32) + np.float32(3e3)
    y = layers.BatchNormalization(epsilon=1e-7)(x, training=True)
    assert np.std(y) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_step_that_fails_leaves_the_averages(run_eagerly):
    x = np.ones((12, 2), np.float32) * np.arange(12)[:, None]
    y = x.copy()
    y[9, 1] = 1e30  # whose square float32 does not hold
    model, clean = (gpubp.Sequential([gpubp.Input((2,)), layers.BatchNormalization()]) for _ in range(2))
    for m in (model, clean):
        m.compile("sgd", "mse", run_eagerly=run_eagerly)
    with pytest.raises(gpubp.NonFiniteError, match="step 3"):
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    clean.fit(x[:8], x[:8], batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_equal(model.get_weights(), clean.get_weights())


def test_accumulated_steps_follow_each_batch():
    x = np.random.default_rng(4).standard_normal((8, 2)).astype(np.float32)
    layer = layers.BatchNormalization(momentum=0.5)
    model = gpubp.Sequential([gpubp.Input((2,)), layer])
    model.compile(gpubp.optimizers.SGD(0.1, gradient_accumulation_steps=2), "mse")
    model.fit(x, x, batch_size=4, shuffle=False, verbose=0)
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.25 * x[:4].mean(0) + 0.5 * x[4:].mean(0), rtol=1e-5)
