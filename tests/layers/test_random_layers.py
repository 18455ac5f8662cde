"""Layers that draw: their statistics, that each call draws anew, and that a model's draws follow from its seed.

Seeds are fixed, so tests pass or fail for good; bounds leave a right layer a chance of failing below 1/10,000.
"""

import numpy as np
import pytest

import gpubp
from gpubp import layers
from gpubp.ops.activations import SELU_ALPHA, SELU_SCALE

N, M = 1000, 400  # rows and columns, on which statistics are taken


def drawn(layer, x, executor=None):
    """The layer's output in training for its first draw."""
    layer.seed_generator = gpubp.random.SeedGenerator(11)
    call = lambda x: layer(x, training=True)  # noqa: E731
    return call(x) if executor is None else gpubp.compile(call, executor)(x)


RANDOM = {
    "dropout": lambda: layers.Dropout(0.3),
    "dropout of columns": lambda: layers.Dropout(0.3, (1, None)),
    "alpha dropout": lambda: layers.AlphaDropout(0.3),
    "gaussian dropout": lambda: layers.GaussianDropout(0.3),
    "gaussian noise": lambda: layers.GaussianNoise(0.3),
}


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", [(7, 5), (3, 4)])
def test_executors_draw_the_same(name, shape):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    eager, reference, cpu = (drawn(RANDOM[name](), x, executor) for executor in (None, "reference", "auto"))
    np.testing.assert_array_equal(eager, reference)
    tolerance = {"rtol": 0, "atol": 0} if name.startswith("dropout") else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(cpu, eager, **tolerance)
    assert not np.array_equal(eager, x)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_mean(rate):
    y = drawn(layers.Dropout(rate), np.ones((N, M), np.float32))
    assert set(np.unique(y)) == {0.0, np.float32(1 / (1 - rate))}
    assert y.mean() == pytest.approx(1, abs=4 * np.sqrt(rate / (1 - rate) / y.size) + 2**-16)


def test_dropout_of_columns_drops_them_whole():
    y = drawn(layers.Dropout(0.5, (1, None)), np.ones((N, M), np.float32))
    assert ((y == 0).all(0) | (y == 2).all(0)).all()
    assert 0.3 < (y[0] == 0).mean() < 0.7


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(1).standard_normal((N, M)).astype(np.float32)
    layer = layers.AlphaDropout(0.4)
    y = drawn(layer, x)
    assert y.mean() == pytest.approx(0, abs=4 / np.sqrt(y.size))
    assert y.var() == pytest.approx(1, abs=0.02)
    dropped = drawn(layers.Dropout(0.4), np.ones_like(x)) == 0
    limit = -SELU_ALPHA * SELU_SCALE
    a = ((1 - 0.4) * (1 + 0.4 * limit**2)) ** -0.5
    np.testing.assert_allclose(y[dropped], a * limit - a * limit * 0.4, rtol=1e-5)
    np.testing.assert_allclose(y[~dropped], a * x[~dropped] - a * limit * 0.4, rtol=1e-4, atol=1e-5)


def test_gaussian_dropout_multiplies_and_gaussian_noise_adds():
    x = np.full((N, M), 2.0, np.float32)
    times, plus = drawn(layers.GaussianDropout(0.2), x) / x, drawn(layers.GaussianNoise(0.5), x) - x
    assert times.mean() == pytest.approx(1, abs=4 * 0.5 / np.sqrt(x.size))
    assert times.std() == pytest.approx(0.5, rel=0.01)
    assert plus.mean() == pytest.approx(0, abs=4 * 0.5 / np.sqrt(x.size))
    assert plus.std() == pytest.approx(0.5, rel=0.01)


@pytest.mark.parametrize("name", RANDOM)
def test_each_call_draws_anew_and_a_seed_repeats_all(name):
    x = np.ones((20, 8))
    first, second = RANDOM[name](), RANDOM[name]()
    first.seed_generator, second.seed_generator = (gpubp.random.SeedGenerator(4) for _ in range(2))
    one, two = first(x, training=True), first(x, training=True)
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(second(x, training=True), one)
    np.testing.assert_array_equal(first(x), x)


def test_gradients_of_functions_that_draw_are_of_the_draw_that_was_made():
    layer = layers.Dropout(0.5, seed=1)
    value, gradient = gpubp.value_and_grad(lambda x: gpubp.ops.sum(layer(x, training=True)))(
        np.ones((6, 5), np.float32)
    )
    assert value == gradient.sum()
    assert set(np.unique(gradient)) == {0.0, 2.0}


def squares(outputs, x, **options):
    """The mean square of a model's output in one step of training."""
    model = gpubp.Model(x, outputs)
    model.compile(gpubp.optimizers.SGD(0.0), "mse", **options)
    return model.fit(np.ones((N, 50)), np.zeros((N, 50)), batch_size=N, verbose=0).history["loss"][0]


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_two_dropouts_of_a_model_drop_differently(run_eagerly, shared):
    """Of ones, 2 (a - b) with independent masks of probability 1/2 has the mean square 2."""
    gpubp.set_random_seed(0)
    x = gpubp.Input((50,))
    first = layers.Dropout(0.5)
    second = first if shared else layers.Dropout(0.5)
    found = squares(layers.subtract([first(x), second(x)]), x, run_eagerly=run_eagerly)
    assert found == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_what_draws_in_prediction_draws_anew_for_each_batch_and_each_call(run_eagerly):
    x = gpubp.Input((50,))
    model, ones = gpubp.Model(x, layers.Dropout(0.5)(x, training=True)), np.ones((20, 50), np.float32)
    model.compile("sgd", "mse", run_eagerly=run_eagerly)

    def seen():
        model.seed, model._reading = 5, (-1, 0)
        calls = [lambda: model.predict(ones, batch_size=10, verbose=0), lambda: model.predict_on_batch(ones)]
        found = np.concatenate([calls[k > 1]() for k in range(5)]).reshape(-1, 10, 50)
        return found, [model.evaluate(ones, 0 * ones, batch_size=10, verbose=0) for _ in range(2)]

    found, (first, second) = seen()
    assert len(np.unique(found, axis=0)) == 10
    assert found.mean() == pytest.approx(1, abs=0.1)
    assert first != second
    again, losses = seen()
    np.testing.assert_array_equal(again, found)
    assert losses == [first, second]


def test_the_same_seed_draws_the_same_in_a_model_and_the_next_step_something_else():
    x = np.random.default_rng(0).standard_normal((64, 8)).astype(np.float32)

    def losses(seed):
        gpubp.set_random_seed(seed)
        model = gpubp.Sequential([gpubp.Input((8,)), layers.GaussianNoise(1.0)])
        model.compile(gpubp.optimizers.SGD(0.0), "mse")
        return model.fit(x, x, batch_size=64, epochs=3, verbose=0).history["loss"]

    assert losses(1) == losses(1)
    assert len(set(losses(1) + losses(2))) == 6
    assert losses(1)[0] == pytest.approx(1, abs=4 * np.sqrt(2 / x.size))
