"""What `gpubp.random` draws: the distributions, what a seed means, and that all executors draw the same.

Seeds are fixed, so tests pass or fail for good; bounds leave a right function a chance of failing below 1/10,000.
"""

import numpy as np
import pytest
from scipy import stats

import gpubp
from gpubp import layers, ops, random

SHAPE = (300, 70)
LOGITS = np.log(np.tile([[0.2, 0.3, 0.5]], (300, 1))).astype(np.float32)
DRAWS = {
    "normal": lambda **seed: random.normal(SHAPE, 1.0, 2.0, **seed),
    "uniform": lambda **seed: random.uniform(SHAPE, -1.0, 3.0, **seed),
    "uniform, float64": lambda **seed: random.uniform(SHAPE, dtype="float64", **seed),
    "randint": lambda **seed: random.randint(SHAPE, -2, 5, **seed),
    "categorical": lambda **seed: random.categorical(LOGITS, 70, **seed),
    "dropout": lambda **seed: random.dropout(np.ones(SHAPE, np.float32), 0.25, **seed),
    "dropout of columns": lambda **seed: random.dropout(np.ones((3, 9000), np.float32), 0.25, (1, None), **seed),
    "shuffle": lambda **seed: random.shuffle(np.arange(5000), **seed),
}


@pytest.mark.parametrize(
    ("name", "cdf"),
    [
        ("normal", stats.norm(1, 2).cdf),
        ("uniform", stats.uniform(-1, 4).cdf),
        ("uniform, float64", stats.uniform(0, 1).cdf),
    ],
)
def test_floats_have_their_distribution(name, cdf):
    found = DRAWS[name](seed=3)
    assert found.dtype == ("float64" if "64" in name else "float32")
    assert stats.kstest(found.ravel().astype(float), cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("name", "first", "shares"), [("randint", -2, [1 / 7] * 7), ("categorical", 0, [0.2, 0.3, 0.5])]
)
def test_integers_have_their_distribution(name, first, shares):
    found = DRAWS[name](seed=3)
    assert (found.dtype, found.shape) == ("int32", SHAPE)
    counts = np.bincount(found.ravel() - first, minlength=len(shares))
    assert stats.chisquare(counts, found.size * np.array(shares)).pvalue > 1e-4


@pytest.mark.parametrize("name", ["dropout", "dropout of columns"])
def test_dropout_keeps_the_mean(name):
    found = DRAWS[name](seed=3)
    assert set(np.unique(found)) == {0.0, np.float32(1 / 0.75)}
    assert found.mean() == pytest.approx(1, abs=0.03)
    assert ((found == found[0]).all()) == (name == "dropout of columns")


def test_shuffle_permutes_along_an_axis():
    assert sorted(DRAWS["shuffle"](seed=3)) == list(range(5000))
    x = np.arange(300).reshape(3, 100)
    found = random.shuffle(x, axis=1, seed=3)
    assert not np.array_equal(found, x)
    np.testing.assert_array_equal(found, x[:, found[0]])


@pytest.mark.parametrize("name", DRAWS)
def test_an_int_draws_the_same_a_generator_anew_and_none_as_the_process_was_seeded(name):
    draw = DRAWS[name]
    first = draw(seed=3)
    np.testing.assert_array_equal(draw(seed=3), first)
    assert not np.array_equal(draw(seed=4), first)
    one, two = random.SeedGenerator(3), random.SeedGenerator.from_config(random.SeedGenerator(3).get_config())
    anew = [draw(seed=one), draw(seed=one)]
    assert not np.array_equal(*anew)
    np.testing.assert_array_equal([draw(seed=two), draw(seed=two)], anew)
    gpubp.set_random_seed(5)
    unseeded = [draw(), draw()]
    assert not np.array_equal(*unseeded)
    gpubp.set_random_seed(5)
    np.testing.assert_array_equal([draw(), draw()], unseeded)


class Draws(layers.Layer):
    """One of everything, by each kind of seed."""

    def __init__(self):
        super().__init__()
        self.seed_generator = random.SeedGenerator()

    def call(self, x):
        total = x
        for seed in (None, self.seed_generator, 4):
            total += random.normal(ops.shape(x), seed=seed) + random.uniform(ops.shape(x), 1.0, 2.0, seed=seed)
            total += ops.cast(random.randint((ops.shape(x)[0], 1), 0, 9, seed=seed), "float32")
            total += ops.cast(random.categorical(x, 6, seed=seed), "float32")
            total += random.dropout(x, 0.5, seed=seed) + random.shuffle(x, seed=seed) + random.shuffle(x, 1, seed=seed)
        return total


def test_executors_draw_the_same_in_training_and_prediction():
    x = np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32)

    def run(**options):
        gpubp.set_random_seed(1)
        model = gpubp.Sequential([gpubp.Input((6,)), Draws(), layers.Dense(1)])
        model.compile("sgd", "mse", **options)
        return model.fit(x, x[:, :1], epochs=2, verbose=0).history["loss"], model.predict(x, verbose=0)

    (losses, outputs), (expected, wanted) = run(), run(run_eagerly=True)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(outputs, wanted, rtol=1e-4, atol=1e-4)


def test_weights_begin_with_values_that_an_initializer_draws():
    class Drawn(layers.Layer):
        def build(self, shape):
            self.kernel = self.add_weight((shape[-1], 2), lambda shape, rng: random.normal(shape, seed=3))
            self.shift = random.uniform((2,), seed=4)

        def call(self, x):
            return x @ self.kernel + self.shift

    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    model = gpubp.Sequential([gpubp.Input((3,)), Drawn()])
    expected = x @ random.normal((3, 2), seed=3) + random.uniform((2,), seed=4)
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-5, atol=1e-6)


def test_gradients_are_of_the_draw_that_was_made():
    function = gpubp.value_and_grad(lambda x: ops.sum(random.dropout(x, 0.5, seed=3) * x))
    value, gradient = function(np.ones((6, 5), np.float32))
    assert value == gradient.sum() / 2
    assert set(np.unique(gradient)) == {0.0, 4.0}


REFUSED = {
    "SeedGenerator: seed": (ValueError, lambda: random.SeedGenerator("3")),
    "gpubp.random: seed": (ValueError, lambda: random.normal((2,), seed=1.5)),
    "seed must be an int": (ValueError, lambda: random.normal((2,), seed=True)),
    "float32 or float64": (TypeError, lambda: random.normal((2,), dtype="float16")),
    "one of integers": (ValueError, lambda: random.randint((2,), 0, 5, dtype="float32")),
    "logits": (ValueError, lambda: random.categorical(np.zeros(3), 2)),
    "rate": (ValueError, lambda: random.dropout(np.ones(3), 1.0)),
    "make a layer": (ValueError, lambda: random.normal(ops.shape(gpubp.Input((3,))))),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_wrong_is_refused(message):
    error, call = REFUSED[message]
    with pytest.raises(error, match=message):
        call()
