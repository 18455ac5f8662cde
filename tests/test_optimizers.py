"""Optimizers against direct transcriptions of their equations in NumPy, over many steps, by both doors."""

import numpy as np
import pytest

import gpubp
from gpubp.layers import Dense
from gpubp.optimizers import SGD, Adam

STEPS = 50


def sgd(rate, momentum=0.0, nesterov=False):
    def update(w, g, state, t):
        v = momentum * state.get("v", np.zeros_like(w)) - rate * g
        return w + (momentum * v - rate * g if nesterov else v), {"v": v}

    return update


def adam(rate, b1=0.9, b2=0.999, epsilon=1e-7):
    def update(w, g, state, t):
        m = b1 * state.get("m", np.zeros_like(w)) + (1 - b1) * g
        v = b2 * state.get("v", np.zeros_like(w)) + (1 - b2) * g * g
        scale = rate * np.sqrt(1 - b2**t) / (1 - b1**t)
        return w - scale * m / (np.sqrt(v) + epsilon), {"m": m, "v": v}

    return update


CASES = {
    "sgd": (lambda: SGD(0.05), sgd(0.05)),
    "momentum": (lambda: SGD(0.05, momentum=0.9), sgd(0.05, 0.9)),
    "nesterov": (lambda: SGD(0.05, momentum=0.9, nesterov=True), sgd(0.05, 0.9, True)),
    "adam": (lambda: Adam(0.02), adam(0.02)),
    "adam, other betas": (lambda: Adam(0.02, 0.8, 0.95, 1e-3), adam(0.02, 0.8, 0.95, 1e-3)),
}


@pytest.mark.parametrize("case", CASES)
def test_init_and_update_follow_the_equations(case):
    make, equations = CASES[case]
    rng = np.random.default_rng(0)
    params = {"w": rng.standard_normal((3, 2)), "b": [rng.standard_normal(2)]}
    wanted, slots = {"w": params["w"].copy(), "b": params["b"][0].copy()}, {"w": {}, "b": {}}
    optimizer = make()
    state = optimizer.init(params)
    for t in range(1, STEPS + 1):
        grads = {"w": rng.standard_normal((3, 2)), "b": [rng.standard_normal(2)]}
        params, state = optimizer.update(grads, state, params)
        for name, g in (("w", grads["w"]), ("b", grads["b"][0])):
            wanted[name], slots[name] = equations(wanted[name], g, slots[name], t)
    np.testing.assert_allclose(params["w"], wanted["w"], rtol=1e-12)
    np.testing.assert_allclose(params["b"][0], wanted["b"], rtol=1e-12)
    assert int(state["step"]) == STEPS


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_model_follows_the_equations(case, run_eagerly):
    """Linear regression with the gradient of the mean written out; float32 against float64, so to 1e-5."""
    make, equations = CASES[case]
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((40, 3)), rng.standard_normal((40, 2))
    model = gpubp.Sequential([gpubp.Input((3,)), Dense(2, use_bias=False)])
    model.compile(make(), "mse", run_eagerly=run_eagerly)
    w, state = model.get_weights()[0].astype(np.float64), {}
    model.fit(x, y, batch_size=10, epochs=12, shuffle=False, verbose=0)
    for t in range(48):
        rows = slice(10 * (t % 4), 10 * (t % 4) + 10)
        g = 2 * x[rows].T @ (x[rows] @ w - y[rows]) / 20
        w, state = equations(w, g, state, t + 1)
    assert np.linalg.norm(model.get_weights()[0] - w) / np.linalg.norm(w) < 1e-5


def test_bias_correction_keeps_its_digits_in_float32():
    """1 - 0.999^1 of float32 numbers is wrong in the fourth digit; the first step must be the learning rate."""
    optimizer, w = Adam(1.0, epsilon=1e-30), np.zeros(3, np.float32)
    new, _ = optimizer.update(np.full(3, 1e-3, np.float32), optimizer.init(w), w)
    np.testing.assert_allclose(new, -1, rtol=1e-6)


def test_the_rate_may_change_between_updates_without_recording_again():
    optimizer, w = SGD(1.0), np.zeros(2)
    state = optimizer.init(w)
    w, state = optimizer.update(np.ones(2), state, w)
    optimizer.learning_rate = 0.5
    w, state = optimizer.update(np.ones(2), state, w)
    np.testing.assert_allclose(w, -1.5)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: SGD(-1), "learning_rate"),
        (lambda: SGD(momentum=2), "momentum"),
        (lambda: Adam(beta_1=1), "beta_1"),
        (lambda: Adam(beta_2=0), "beta_2"),
        (lambda: Adam(epsilon=0), "epsilon"),
    ],
)
def test_values_out_of_range_are_refused(make, name):
    with pytest.raises(ValueError, match=name):
        make()
