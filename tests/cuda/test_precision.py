"""What policies of precision do: on a device that has their products, and on one that has not."""

import logging

import numpy as np
import pytest

import gpubp
from gpubp.layers import Dense
from gpubp.training import precision

from .emulation.device import rounded
from .test_training import LABELS, X, classifier, distance, fitted


@pytest.fixture
def policy():
    """Sets the policy of the process, for a test."""
    before = gpubp.config.dtype_policy()
    yield gpubp.config.set_dtype_policy
    gpubp.config.set_dtype_policy(before)


@pytest.fixture
def told(caplog, monkeypatch):
    """What has been told of precision, where nothing has been told before."""
    monkeypatch.setattr(precision, "_told", set())
    with caplog.at_level(logging.WARNING, "gpubp.training.precision"):
        yield lambda: [r.getMessage() for r in caplog.records if r.name == "gpubp.training.precision"]


@pytest.mark.parametrize(
    ("x", "expected"),
    [(1.0, 1.0), (1 + 2**-10, 1 + 2**-10), (1 + 2**-12, 1.0), (-1 - 3 * 2**-12, -1 - 2**-10)],
)
def test_the_emulated_device_rounds_to_ten_bits_of_fraction(x, expected):
    assert rounded(np.array([x], np.float32))[0] == expected
    assert np.array_equal(rounded(np.float32([np.nan, np.inf, 0.0])), [np.nan, np.inf, 0.0], equal_nan=True)


def test_products_of_a_layer_round_what_they_multiply(gpu, told):
    model = gpubp.Sequential([gpubp.Input((12,)), Dense(33, dtype="tf32")])
    w = model.get_weights()[0]
    expected = rounded(X).astype(np.float64) @ rounded(w).astype(np.float64)
    found = model.predict(X)
    assert np.linalg.norm(found - expected) < 1e-6 * np.linalg.norm(expected)
    assert np.linalg.norm(found - X @ w) > 1e-5 * np.linalg.norm(expected)
    assert told() == []


def test_gradients_follow_the_policy_and_the_loss_does_not(gpu, policy):
    policy("tf32")
    model = classifier()
    ops = [i for part in model.program(16).parts for i in part.graph]
    assert [i.attrs["precision"] for i in ops if i.op.name == "matmul"] == ["tf32"] * 5


def test_training_is_within_the_tolerance_of_the_precision(gpu, policy):
    expected, _ = fitted(classifier, LABELS)
    policy("tf32")
    found, _ = fitted(classifier, LABELS)
    assert 1e-6 < distance(found, expected) < 2e-2


def test_another_policy_makes_another_program(gpu):
    model, plain = (gpubp.Sequential([gpubp.Input((12,)), Dense(33)]) for _ in range(2))
    plain.set_weights(model.get_weights())
    before = model.predict(X, batch_size=16)
    model.layers[0].dtype_policy = "tf32"
    there = model.predict(X, batch_size=16)
    assert not np.array_equal(there, before)
    np.testing.assert_allclose(there, before, rtol=2e-2, atol=2e-2)
    model.layers[0].dtype_policy = "float32"
    assert np.array_equal(model.predict(X, batch_size=16), before)


def test_weights_that_are_there_keep_their_dtype():
    model = classifier()
    with pytest.raises(ValueError, match=r"has float32 weights.*'float64' would keep in float64"):
        model.layers[0].dtype_policy = "float64"
    assert model.layers[0].dtype_policy.name == "float32"


@pytest.mark.parametrize("name", ["tf32", "mixed_bfloat16", "mixed_float16"])
def test_the_cpu_computes_in_float32_and_says_so_once(policy, told, name):
    with gpubp.device("cpu"):
        expected, _ = fitted(classifier, LABELS)
        policy(name)
        assert told() == []
        found, _ = fitted(classifier, LABELS)
        found.predict(X)
        fitted(classifier, LABELS)
    assert distance(found, expected) == 0
    assert told() == [f"cpu has no products for the policy {name!r}: it computes them in float32"]


@pytest.mark.parametrize("name", ["mixed_bfloat16", "mixed_float16"])
def test_a_gpu_says_which_policies_it_does_not_have(gpu, policy, told, name):
    gpu.precisions = frozenset({"float32", "float64"})
    expected, _ = fitted(classifier, LABELS)
    policy(name)
    found, _ = fitted(classifier, LABELS)
    assert distance(found, expected) == 0
    assert told() == [f"{gpu.name} has no products for the policy {name!r}: it computes them in float32"]


def test_double_precision_stays_double(gpu, policy):
    policy("float64")
    model = gpubp.Sequential([gpubp.Input((12,)), Dense(33)])
    x = X.astype(np.float64)
    np.testing.assert_allclose(model.predict(x), x @ model.get_weights()[0], rtol=1e-12)
