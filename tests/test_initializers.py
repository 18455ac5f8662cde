"""Initializers: their distributions by statistical tests with fixed seeds, their fans, names and configurations."""

import json

import numpy as np
import pytest
from scipy import stats

import gpubp
from gpubp import initializers
from gpubp.layers import Dense

SHAPE = (300, 200)


def uniform(limit):
    return stats.uniform(-limit, 2 * limit)


def cut(deviation, mean=0.0):
    return stats.truncnorm(-2, 2, mean, deviation)


# What a sample of SHAPE is drawn from; the deviation of a standard normal variable cut at two is 0.8796.
DISTRIBUTIONS = {
    "random_normal": ({"mean": 1.0, "stddev": 2.0}, stats.norm(1, 2)),
    "truncated_normal": ({"mean": 1.0, "stddev": 2.0}, cut(2.0, 1.0)),
    "random_uniform": ({"minval": 1.0, "maxval": 3.0}, stats.uniform(1, 2)),
    "glorot_uniform": ({}, uniform(np.sqrt(6 / 500))),
    "glorot_normal": ({}, cut(np.sqrt(2 / 500) / cut(1).std())),
    "he_uniform": ({}, uniform(np.sqrt(6 / 300))),
    "he_normal": ({}, cut(np.sqrt(2 / 300) / cut(1).std())),
    "lecun_uniform": ({}, uniform(np.sqrt(3 / 300))),
    "lecun_normal": ({}, cut(np.sqrt(1 / 300) / cut(1).std())),
    "variance_scaling": (
        {"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"},
        stats.norm(0, np.sqrt(3 / 200)),
    ),
}
OTHERS = {
    "zeros": ({}, np.zeros(SHAPE)),
    "ones": ({}, np.ones(SHAPE)),
    "constant": ({"value": 2.5}, np.full(SHAPE, 2.5)),
    "identity": ({"gain": 3.0}, 3 * np.eye(*SHAPE)),
}


def test_every_initializer_is_met():
    assert {*DISTRIBUTIONS, *OTHERS, "orthogonal"} == set(initializers.NAMES)
    assert {getattr(initializers, name) for name in initializers.NAMES} == set(initializers.CLASSES.values())


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_values_are_of_their_distribution(name):
    arguments, distribution = DISTRIBUTIONS[name]
    values = initializers.NAMES[name](**arguments, seed=1)(SHAPE, "float64")
    assert values.shape == SHAPE
    assert stats.kstest(values.ravel(), distribution.cdf).pvalue > 1e-3
    assert values.std() == pytest.approx(distribution.std(), rel=0.02)


@pytest.mark.parametrize("name", OTHERS)
def test_values_that_are_not_drawn(name):
    arguments, wanted = OTHERS[name]
    np.testing.assert_array_equal(initializers.NAMES[name](**arguments)(SHAPE), wanted)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 3, 5), (3, 2, 4)])
def test_orthogonal_matrices_are_orthogonal(shape):
    w = initializers.Orthogonal(gain=2.0, seed=1)(shape, "float64").reshape(-1, shape[-1])
    product = w.T @ w if len(w) >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_have_no_preferred_signs():
    signs = [np.sign(np.diag(initializers.Orthogonal(seed=k)((3, 3)))) for k in range(200)]
    assert 0.4 < (np.array(signs) > 0).mean() < 0.6


@pytest.mark.parametrize(
    ("shape", "arguments", "fan_in"),
    [
        ((), {}, 1),
        ((7,), {}, 7),
        ((3, 7), {}, 3),
        ((2, 5, 3, 7), {}, 30),
        ((4, 5, 6), {"input_axes": [0, 1], "output_axes": [2]}, 20),
    ],
)
def test_fans_are_those_of_keras(shape, arguments, fan_in):
    limit = np.sqrt(3 / fan_in)
    values = np.array([initializers.LecunUniform(k, **arguments)(shape, "float64").max() for k in range(60)])
    assert 0.8 * limit < values.max() <= limit


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, "orthogonal"])
def test_a_seed_repeats_and_none_differs(name):
    kind = initializers.NAMES[name]
    np.testing.assert_array_equal(kind(seed=3)((4, 5)), kind(seed=3)((4, 5)))
    assert not np.array_equal(kind(seed=3)((4, 5)), kind(seed=4)((4, 5)))
    one = kind()
    np.testing.assert_array_equal(one((4, 5)), one((4, 5)))
    assert not np.array_equal(one((4, 5)), kind()((4, 5)))


@pytest.mark.parametrize("name", [*DISTRIBUTIONS, *OTHERS, "orthogonal"])
def test_names_and_configurations_give_equal_initializers(name):
    kind = initializers.NAMES[name]
    arguments = {**DISTRIBUTIONS, **OTHERS}.get(name, ({"gain": 2.0}, None))[0]
    made = kind(**arguments)
    described = json.loads(json.dumps(initializers.serialize(made)))
    assert (described == name) is (not arguments)
    twin = initializers.get(described)
    assert type(twin) is kind
    assert twin.get_config() == made.get_config()
    for again in (initializers.get(name), initializers.get(kind.__name__), initializers.get(kind)):
        assert type(again) is kind
        assert initializers.serialize(again) == name


def test_layers_draw_from_their_own_generator_and_seeds_from_theirs():
    gpubp.set_random_seed(1)
    first, second = Dense(4), Dense(4)
    same = [Dense(4, kernel_initializer=initializers.HeNormal(seed=2)) for _ in range(2)]
    for layer in (first, second, *same):
        layer.build_once((None, 3))
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])
    np.testing.assert_array_equal(same[0].get_weights()[0], same[1].get_weights()[0])
    np.testing.assert_array_equal(same[0].get_weights()[0], initializers.HeNormal(seed=2)((3, 4)))


class Doubled(initializers.Initializer):
    """Of one's own, in Keras's manner."""

    def __call__(self, shape, dtype=None):
        return np.full(shape, 2, dtype)


@pytest.mark.parametrize(
    "given",
    [
        lambda shape, dtype: np.full(shape, 2, dtype),
        lambda shape, dtype=None: np.full(shape, 2.0),
        lambda shape, rng: np.full(shape, 2.0) if isinstance(rng, np.random.Generator) else None,
        lambda shape: np.full(shape, 2.0),
        np.full((3, 4), 2.0),
        Doubled(),
        Doubled,
    ],
)
def test_functions_arrays_and_classes_of_ones_own_are_taken(given):
    layer = Dense(4, kernel_initializer=given)
    layer.build_once((None, 3))
    np.testing.assert_array_equal(layer.get_weights()[0], np.full((3, 4), 2.0))
    with pytest.raises(ValueError, match="one's own"):
        layer.get_config()


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: initializers.get("glorot_unifrm"), "did you mean 'glorot_uniform'"),
        (lambda: initializers.get(3), "an initializer is"),
        (lambda: initializers.VarianceScaling(scale=0), "scale must be greater than 0"),
        (lambda: initializers.VarianceScaling(mode="fan"), "mode must be one of fan_in"),
        (lambda: initializers.VarianceScaling(distribution="cauchy"), "distribution must be one of"),
        (lambda: initializers.HeNormal(seed=-1), "seed of an initializer"),
        (lambda: initializers.Identity()((2, 3, 4)), "Identity makes matrices"),
        (lambda: initializers.Orthogonal()((3,)), "two or more dimensions"),
        (lambda: Dense(4, kernel_initializer=np.ones((4, 3))).build((None, 3)), r"gives shape \(4, 3\)"),
    ],
)
def test_what_makes_no_sense_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()
