"""float64 everywhere where it is asked for, and mixed policies on the CPU."""

import numpy as np
import pytest

import gpubp
from gpubp import Input, Model, Sequential, layers
from tests.models.oracle import LABELS, X, Y, flat, float64  # noqa: F401 - a fixture


def classifier(**options):
    gpubp.set_random_seed(2)
    model = Sequential([Input((4,)), layers.Dense(6, "gelu"), layers.Dropout(0.2), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


@pytest.mark.usefixtures("float64")
def test_everything_is_float64(tmp_path):
    model = classifier()
    model.fit(X, LABELS, batch_size=8, epochs=2, verbose=0)
    assert {v.dtype for v in model.variables} == {np.dtype("float64")}
    assert {a.dtype for a in model.optimizer_state().values()} == {np.dtype("float64")}
    assert model.predict(X, verbose=0).dtype == model(X).dtype == np.float64
    program = model.program(8, "predict")
    floats = {p.dtype for part in program.parts for p in part.places.values() if p.dtype.kind == "f"}
    assert floats == {np.dtype("float64")}
    model.save(tmp_path / "model.safetensors")
    gpubp.config.set_floatx("float32")
    again = gpubp.load_model(tmp_path / "model.safetensors")
    for each in (model, again):
        each.fit(X, LABELS, batch_size=8, verbose=0)
    assert flat(again).dtype == np.float64
    assert np.array_equal(flat(again), flat(model))


def test_a_layer_may_have_a_dtype_of_its_own():
    x = Input((4,), dtype="float64")
    model = Model(x, layers.Dense(1, dtype="float64")(x))
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(X, verbose=0), X @ kernel + bias, rtol=1e-13)
    mixed = Sequential([layers.Dense(2, dtype="float64"), layers.Dense(1, dtype="float32")])
    mixed.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must have one dtype"):
        mixed.fit(X, Y, verbose=0)


@pytest.mark.usefixtures("float64")
def test_run_eagerly_equals_compiled():
    compiled, eager = classifier(), classifier(run_eagerly=True)
    for model in (compiled, eager):
        model.fit(X, LABELS, batch_size=6, epochs=3, verbose=0)
    np.testing.assert_allclose(flat(compiled), flat(eager), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "tf32"])
def test_a_mixed_policy_computes_in_float32_on_the_cpu_and_says_so_once(policy, monkeypatch):
    monkeypatch.setattr("gpubp.training.precision._told", set())
    plain = classifier()
    plain.fit(X, LABELS, verbose=0)
    gpubp.mixed_precision.set_global_policy(policy)
    try:
        model = classifier()
    finally:
        gpubp.mixed_precision.set_global_policy("float32")
    told = []
    monkeypatch.setattr("gpubp.training.precision.logger.warning", lambda text, *args: told.append(text % args))
    model.fit(X, LABELS, verbose=0)
    model.predict(X, verbose=0)
    assert len(told) == 1
    assert policy in told[0]
    assert np.array_equal(flat(model), flat(plain))
    assert flat(model).dtype == np.float32
