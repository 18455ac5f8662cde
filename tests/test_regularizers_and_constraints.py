"""Penalties and constraints against NumPy, by themselves and in models."""

import json

import numpy as np
import pytest

import gpubp
from gpubp import constraints, regularizers
from gpubp.layers import Dense


def pairs(x):
    """The mean |cosine| between different rows."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.mean([abs(x[i] @ x[j]) for i in range(len(x)) for j in range(i)])


PENALTIES = {
    "l1": (regularizers.L1(0.1), lambda w: 0.1 * np.abs(w).sum()),
    "l2": (regularizers.L2(0.1), lambda w: 0.1 * np.square(w).sum()),
    "l1_l2": (regularizers.L1L2(0.1, 0.2), lambda w: 0.1 * np.abs(w).sum() + 0.2 * np.square(w).sum()),
    "rows": (regularizers.OrthogonalRegularizer(0.5), lambda w: 0.5 * pairs(w)),
    "columns": (regularizers.OrthogonalRegularizer(0.5, "columns"), lambda w: 0.5 * pairs(w.T)),
}


def clipped(low, high, rate, axis):
    def oracle(w):
        norm = np.linalg.norm(w, axis=axis, keepdims=True)
        return w * (rate * np.clip(norm, low, high) + (1 - rate) * norm) / (1e-7 + norm)

    return oracle


LIMITS = {
    "non_neg": (constraints.NonNeg(), lambda w: np.maximum(w, 0)),
    "max_norm": (constraints.MaxNorm(1.5), clipped(0, 1.5, 1, 0)),
    "max_norm, rows": (constraints.MaxNorm(1, axis=1), clipped(0, 1, 1, 1)),
    "min_max_norm": (constraints.MinMaxNorm(1.8, 2.2, 0.7), clipped(1.8, 2.2, 0.7, 0)),
    "min_max_norm, all": (constraints.MinMaxNorm(5, 6, axis=[0, 1]), clipped(5, 6, 1, (0, 1))),
    "unit_norm": (constraints.UnitNorm(), clipped(1, 1, 1, 0)),
}


def w(dtype="float64"):
    return np.random.default_rng(0).standard_normal((4, 3)).astype(dtype)


def test_every_class_is_met():
    assert {type(p) for p, _ in PENALTIES.values()} == set(regularizers.CLASSES.values())
    assert {type(c) for c, _ in LIMITS.values()} == set(constraints.CLASSES.values())


@pytest.mark.parametrize("executor", ["auto", "reference"])
@pytest.mark.parametrize(("made", "oracle"), [*PENALTIES.values(), *LIMITS.values()])
def test_values_equal_their_oracles(made, oracle, executor):
    np.testing.assert_allclose(made(w()), oracle(w()), rtol=1e-12)
    np.testing.assert_allclose(gpubp.compile(made, executor)(w("float32")), oracle(w("float32")), rtol=1e-5)


@pytest.mark.parametrize("name", PENALTIES)
def test_gradients_of_penalties(name):
    gpubp.gradcheck(PENALTIES[name][0], w())


@pytest.mark.parametrize("module", [regularizers, constraints])
def test_names_and_configurations_give_equal_ones(module):
    for made, _ in (PENALTIES if module is regularizers else LIMITS).values():
        described = module.serialize(made)
        twin = module.get(json.loads(json.dumps(described)))
        assert type(twin) is type(made)
        assert twin.get_config() == made.get_config()
    for name, kind in module.ALIASES.items():
        assert type(module.get(name)) is kind
    assert module.get(None) is None
    assert module.serialize(None) is None


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("name", PENALTIES)
def test_a_model_adds_the_penalty_to_its_loss(name, run_eagerly):
    made, oracle = PENALTIES[name]
    x, y = np.zeros((5, 4), np.float32), np.ones((5, 3), np.float32)
    model = gpubp.Sequential([gpubp.Input((4,)), Dense(3, kernel_regularizer=made, kernel_initializer="he_normal")])
    model.compile("sgd", "mse", run_eagerly=run_eagerly)
    wanted = 1 + oracle(model.get_weights()[0].astype(np.float64))
    assert model.evaluate(x, y, batch_size=2, verbose=0) == pytest.approx(wanted, rel=1e-5)
    assert float(sum(model.layers[0].losses)) == pytest.approx(wanted - 1, rel=1e-5)


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("name", [n for n in LIMITS if n != "non_neg"])
def test_a_model_constrains_after_each_update(name, run_eagerly):
    """With a rate of 0 the constraint is all that an update does."""
    made, oracle = LIMITS[name]
    x = np.ones((6, 4), np.float32)
    model = gpubp.Sequential([gpubp.Input((4,)), Dense(3, kernel_constraint=made)])
    model.compile(gpubp.optimizers.SGD(0.0), "mse", run_eagerly=run_eagerly)
    wanted = model.get_weights()[0].astype(np.float64)
    model.fit(x, x[:, :3], batch_size=3, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0], oracle(oracle(wanted)), rtol=1e-5)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: regularizers.get("l3"), "unknown regularizer 'l3'"),
        (lambda: constraints.get("max_nrm"), "did you mean 'max_norm'"),
        (lambda: regularizers.L1(-1), "l1 must be a number of at least 0"),
        (lambda: regularizers.L2(float("nan")), "l2 must be"),
        (lambda: regularizers.OrthogonalRegularizer(mode="row"), "mode is 'rows' or 'columns'"),
        (lambda: regularizers.OrthogonalRegularizer()(np.ones(3)), "takes a matrix"),
        (lambda: regularizers.serialize(lambda x: x), "one's own"),
        (lambda: constraints.serialize(lambda x: x), "one's own"),
        (lambda: regularizers.get(3), "a regularizer is"),
    ],
)
def test_what_makes_no_sense_is_refused(act, message):
    with pytest.raises(ValueError, match=message):
        act()
