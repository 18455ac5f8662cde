"""Normalization learns from data what scikit-learn's StandardScaler does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

import gpubp
from gpubp import layers
from gpubp.layers import preprocessing


def test_adapting_equals_scikit_learn():
    x = np.random.default_rng(0).uniform(-3, 50, (101, 5))
    layer = layers.Normalization(dtype="float64")
    layer.adapt(x)
    np.testing.assert_allclose(layer(x), StandardScaler().fit_transform(x), rtol=1e-10, atol=1e-12)
    inverse = layers.Normalization(invert=True, dtype="float64")
    inverse.adapt(x)
    np.testing.assert_allclose(inverse(layer(x)), x, rtol=1e-10)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 7), min_size=1, max_size=6), st.integers(0, 10**6))
def test_batches_of_any_sizes_give_what_the_whole_gives(sizes, seed):
    rng = np.random.default_rng(seed)
    batches = [rng.standard_normal((n, 2, 3)) * 5 + 100 for n in sizes]
    whole = np.concatenate(batches)
    layer = layers.Normalization([1, 2], dtype="float64")
    if not len(whole):
        with pytest.raises(ValueError, match="without rows"):
            layer.adapt(iter(batches))
        return
    layer.adapt(iter(batches))
    np.testing.assert_allclose(layer.mean.numpy(), whole.mean(0), rtol=1e-12)
    np.testing.assert_allclose(layer.variance.numpy(), whole.var(0), rtol=1e-9, atol=1e-12)


def test_large_arrays_are_adapted_to_in_chunks(monkeypatch):
    x = np.random.default_rng(0).integers(0, 256, (1000, 3)).astype(np.uint8)
    monkeypatch.setattr(preprocessing, "CHUNK", 100)
    layer = layers.Normalization(None, dtype="float64")
    layer.adapt(x)
    assert layer.mean.numpy() == pytest.approx(x.mean(), rel=1e-12)
    assert layer.variance.numpy() == pytest.approx(x.var(), rel=1e-12)


def test_adapting_again_forgets_and_other_features_are_refused():
    layer = layers.Normalization(name="norm")
    layer.adapt(np.ones((3, 2)))
    layer.adapt(np.array([[1.0, 2.0], [3.0, 6.0]]))
    np.testing.assert_array_equal(layer.mean.numpy(), [2, 4])
    np.testing.assert_array_equal(layer.variance.numpy(), [1, 4])
    with pytest.raises(ValueError, match=r"the layer 'norm' takes inputs of shape \(rows, 2\); it got \(None, 3\)"):
        layer.adapt(np.ones((3, 3)))
    np.testing.assert_array_equal(layer.mean.numpy(), [2, 4])


def test_a_constant_feature_is_divided_by_a_small_number_and_not_by_zero():
    layer = layers.Normalization()
    layer.adapt(np.full((3, 1), 7.0))
    np.testing.assert_array_equal(layer(np.full((2, 1), 7.0)), [[0.0], [0.0]])


def test_an_adapted_layer_stays_as_it_is_in_training_and_takes_integers():
    x = np.random.default_rng(0).integers(0, 9, (40, 3))
    layer = layers.Normalization()
    layer.adapt(x)
    before = layer.get_weights()
    model = gpubp.Sequential([gpubp.Input((3,), dtype="int64"), layer, layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, x[:, :1].astype(np.float32), epochs=2, verbose=0)
    np.testing.assert_equal(layer.get_weights(), before)
    assert model.count_params() == 3 + 1 + 6
