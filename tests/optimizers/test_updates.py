"""Optimizers against direct transcriptions of their equations in NumPy, over many steps, by all doors."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpubp
from gpubp import optimizers
from gpubp.engine.variables import Variable
from gpubp.layers import Dense
from gpubp.optimizers import functional

from .equations import BY_VARIABLE, OPTIONS, RATE, RULES, make

STEPS = 50
SHAPES = {"kernel": (3, 2), "bias": (2,)}
ONE_OF_EACH = {name: rule for rule, (name, _, _) in RULES.items()}.values()  # optimizer
ACCUMULATE = {"gradient_accumulation_steps": 3, "loss_scale_factor": 8.0}


def error(found: dict, wanted: dict) -> float:
    """The largest relative error of an array as a whole; the absolute one of zeros."""
    return max(np.linalg.norm(found[name] - w) / (np.linalg.norm(w) or 1.0) for name, w in wanted.items())


def within(rule) -> float:
    """Newton-Schulz iterations make small singular values several times as large, and so their rounding errors."""
    return 1e-4 if rule.startswith("muon") else 1e-5  # of float32


@pytest.fixture
def reference(monkeypatch):
    """`update` runs op by op in NumPy, so that the whole matrix can be met without compiling a kernel."""
    monkeypatch.setattr(functional, "compile", partial(gpubp.compile, executor="reference"))


def follow(optimizer, equations, dtype, shapes=SHAPES, steps=STEPS) -> float:
    """The error after so many steps of `update`; also that of averages and counts."""
    rng = np.random.default_rng(0)
    wanted = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    params = {"kernel": wanted["kernel"].astype(dtype), "more": [{"bias": wanted["bias"].astype(dtype)}]}
    state = optimizer.init(params)
    for _ in range(steps):
        grads = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
        params, state = optimizer.update({"kernel": grads["kernel"], "more": [{"bias": grads["bias"]}]}, state, params)
        wanted = equations(wanted, {name: g.astype(np.float64) for name, g in grads.items()})
    found = {"kernel": params["kernel"], "bias": params["more"][0]["bias"]}
    assert {x.dtype for x in found.values()} == {np.dtype(dtype)}
    assert (int(state["step"]), int(state["updates"])) == (steps, equations.updates)
    if equations.averages:
        averages = {"kernel": state["average"]["kernel"], "bias": state["average"]["more"][0]["bias"]}
        assert error(averages, equations.averages) < (1e-12 if dtype == "float64" else 1e-5)
    return error(found, wanted)


def test_the_table_has_every_optimizer():
    assert {name for name, _, _ in RULES.values()} == set(optimizers.CLASSES) - {"LBFGS"}


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("rule", RULES)
def test_update_follows_the_equations(rule, option, reference):
    assert follow(*make(rule, option), "float64") < 1e-12
    assert follow(*make(rule, option), "float32") < 1e-5


@pytest.mark.parametrize("option", ["plain", "all"])
@pytest.mark.parametrize("rule", RULES)
def test_accumulated_gradients_are_averaged_and_scaled_losses_scaled_back(rule, option, reference):
    assert follow(*make(rule, option, **ACCUMULATE), "float64") < 1e-12


@pytest.mark.parametrize("rule", ["adam", "lamb", "muon"])
def test_compiled_updates_follow_the_equations(rule):
    assert follow(*make(rule, "all", **ACCUMULATE), "float32") < 1e-5


@settings(max_examples=30, deadline=None)
@given(
    rule=st.sampled_from(sorted(RULES)),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    bias=st.one_of(st.just(()), st.tuples(st.integers(1, 5)), st.tuples(*[st.integers(1, 3)] * 3)),
)
def test_shapes_of_all_kinds(rule, kernel, bias):
    bound = 1e-7 * within(rule)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(functional, "compile", partial(gpubp.compile, executor="reference"))
        assert follow(*make(rule, "all"), "float64", {"kernel": kernel, "bias": bias}, steps=6) < bound


# A model: linear regression, with the gradient of the mean written out.

X, Y = np.random.default_rng(1).standard_normal((40, 3)), np.random.default_rng(2).standard_normal((40, 2))


def regression(optimizer, run_eagerly=False):
    gpubp.set_random_seed(3)
    model = gpubp.Sequential([gpubp.Input((3,)), Dense(2)])
    model.compile(optimizer, "mse", run_eagerly=run_eagerly)
    return model


def weights(model) -> dict:
    return {name: w.astype(np.float64) for name, w in zip(SHAPES, model.get_weights(), strict=True)}


def follow_fit(optimizer, equations, run_eagerly=False) -> float:
    model = regression(optimizer, run_eagerly)
    wanted = weights(model)
    model.fit(X, Y, batch_size=10, epochs=12, shuffle=False, verbose=0)
    for step in range(48):
        rows = slice(10 * (step % 4), 10 * (step % 4) + 10)
        d = 2 * (X[rows] @ wanted["kernel"] + wanted["bias"] - Y[rows]) / 20
        wanted = equations(wanted, {"kernel": X[rows].T @ d, "bias": d.sum(0)})
    assert optimizer.iterations == equations.updates
    return error(weights(model), equations.averages or wanted)


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("rule", RULES)
def test_a_model_follows_the_equations(rule, option):
    assert follow_fit(*make(rule, option), run_eagerly=True) < within(rule)


@pytest.mark.parametrize("rule", RULES)
def test_a_model_accumulates_gradients(rule):
    assert follow_fit(*make(rule, "all", gradient_accumulation_steps=2), run_eagerly=True) < within(rule)


@pytest.mark.parametrize("rule", ONE_OF_EACH)
def test_a_compiled_model_follows_the_equations(rule):
    assert follow_fit(*make(rule, "all")) < within(rule)


def instructions(optimizer) -> int:
    (part,) = [p for p in regression(optimizer).program(8).parts if p.name == "update"]
    return len(part.code)


@pytest.mark.parametrize("option", ["plain", "weight_decay", "clipvalue", "ema", "ema overwrites", "schedule"])
@pytest.mark.parametrize("rule", [rule for rule, (name, _, _) in RULES.items() if name not in BY_VARIABLE])
def test_an_elementwise_update_is_one_instruction_over_all_variables(rule, option):
    assert instructions(make(rule, option)[0]) == 1


def test_the_global_norm_is_one_more_instruction():
    assert instructions(make("adam", "global_clipnorm")[0]) == 2


def test_what_is_treated_differently_is_updated_by_itself():
    """A kernel that decays, a bias that does not, and the counts with one of them."""
    assert instructions(make("adam", "exclusions")[0]) == 2


# Doors and details.


def test_variables_are_updated_in_place():
    optimizer, equations = make("adam", "exclusions")
    rng = np.random.default_rng(0)
    variables = [Variable(rng.standard_normal(shape), name) for name, shape in SHAPES.items()]
    wanted = {v.name: v.numpy() for v in variables}
    for _ in range(5):
        grads = {name: rng.standard_normal(shape) for name, shape in SHAPES.items()}
        assert optimizer.apply_gradients(zip(grads.values(), variables, strict=True)) == equations.updates + 1
        wanted = equations(wanted, grads)
    assert error({v.name: v.numpy() for v in variables}, wanted) < 1e-12
    optimizer.apply([np.zeros(v.shape) for v in variables])
    assert optimizer.iterations == 6


def test_constraints_have_the_last_word_and_averages_come_before_them():
    """Keras, too, averages what the rule has given, before constraints."""
    w = Variable(np.array([1.0, -1.0]), "w")
    w.constraint = lambda x: gpubp.ops.maximum(x, 0.0)
    optimizer = optimizers.SGD(1.0, use_ema=True)
    optimizer.apply([np.array([0.5, 0.5])], [w])
    assert w.numpy().tolist() == [0.5, 0.0]
    optimizer.finalize_variable_values([w])
    assert w.numpy().tolist() == [0.5, -1.5]


def test_a_constraint_of_a_model_holds_after_every_step():
    model = regression(optimizers.SGD(0.5, momentum=0.9))
    model.variables[0].constraint = lambda w: w / gpubp.ops.sqrt(gpubp.ops.sum(gpubp.ops.square(w), 0, keepdims=True))
    model.fit(X, Y, batch_size=10, epochs=2, verbose=0)
    np.testing.assert_allclose(np.linalg.norm(model.get_weights()[0], axis=0), 1, rtol=1e-6)


def test_averages_wait_for_the_first_update():
    model = regression(optimizers.SGD(0.1, use_ema=True))
    model._ready()
    model.set_weights([np.full(w.shape, 3.0) for w in model.get_weights()])
    model.optimizer.finalize_variable_values(model.variables)
    assert all((w == 3).all() for w in model.get_weights())


def test_training_goes_on_from_the_slots_of_the_fit_before():
    optimizer, equations = make("adagrad", "plain")
    model, wanted = regression(optimizer), None
    wanted = weights(model)
    for _ in range(2):
        model.fit(X, Y, batch_size=40, epochs=1, shuffle=False, verbose=0)
        d = 2 * (X @ wanted["kernel"] + wanted["bias"] - Y) / 80
        wanted = equations(wanted, {"kernel": X.T @ d, "bias": d.sum(0)})
    assert error(weights(model), wanted) < 1e-6


def test_a_variable_that_becomes_trainable_begins_from_the_slots_first_values():
    model = regression(optimizers.Adagrad(0.1, initial_accumulator_value=0.5, use_ema=True))
    model.variables[1].trainable = False
    model.fit(X, Y, batch_size=40, verbose=0)
    model.variables[1].trainable = True
    model._ready()
    state = model.optimizer_state()
    assert (state["accumulator/dense/bias"] == 0.5).all()
    assert (state["accumulator/dense/kernel"] > 0.5).all()
    assert (state["average/dense/bias"] == model.get_weights()[1]).all()


def test_bias_correction_keeps_its_digits_in_float32():
    """1 - 0.999^1 of float32 numbers is wrong in the fourth digit; the first step must be the learning rate."""
    optimizer, w = optimizers.Adam(1.0, epsilon=1e-30), np.zeros(3, np.float32)
    new, _ = optimizer.update(np.full(3, 1e-3, np.float32), optimizer.init(w), w)
    np.testing.assert_allclose(new, -1, rtol=1e-6)


def test_norms_of_many_float32_gradients_keep_their_digits():
    n, w = 1 << 22, np.zeros(1 << 22, np.float32)
    optimizer = optimizers.SGD(1.0, global_clipnorm=1.0)
    new, _ = optimizer.update(np.full(n, 0.1, np.float32), optimizer.init(w), w)
    np.testing.assert_allclose(new, -1 / np.sqrt(n), rtol=1e-6)


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_gradients_of_nan_are_not_hidden_by_clipping(clip, reference):
    optimizer, w = optimizers.SGD(1.0, **{clip: 1.0}), np.zeros(2)
    new, _ = optimizer.update(np.array([np.nan, 1.0]), optimizer.init(w), w)
    assert np.isnan(new).all()


@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
def test_gradients_of_0_stay_0(clip, reference):
    optimizer, w = optimizers.SGD(1.0, **{clip: 1.0}), np.ones(2)
    new, _ = optimizer.update(np.zeros(2), optimizer.init(w), w)
    assert new.tolist() == [1, 1]


def test_muon_leaves_embeddings_and_what_is_named_to_adam(reference):
    shape, rng = (3, 2), np.random.default_rng(0)
    params = {name: rng.standard_normal(shape) for name in ("embedding/table", "head/kernel", "kernel")}
    grads = {name: rng.standard_normal(shape) for name in params}
    optimizer = optimizers.Muon(RATE, exclude_layers=["^head"], adam_weight_decay=0.5, weight_decay=0.1)
    adam, matrix = make("adam", "plain", weight_decay=0.5)[1], make("muon", "plain", weight_decay=0.1)[1]
    new, _ = optimizer.update(grads, optimizer.init(params), params)
    rest = {name: params[name] for name in ("embedding/table", "head/kernel")}
    assert error(new, adam(rest, grads)) < 1e-12
    assert error(new, matrix({"kernel": params["kernel"]}, {"kernel": grads["kernel"]})) < 1e-12


def test_muon_brings_singular_values_close_to_1():
    x = np.random.default_rng(0).standard_normal((30, 20))
    u, _, vt = np.linalg.svd(x)
    values = np.diag(u[:, :20].T @ optimizers.Muon().orthogonalized(x) @ vt.T)
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_the_rate_may_change_between_updates_without_recording_again():
    optimizer, w = optimizers.SGD(1.0), np.zeros(2)
    state = optimizer.init(w)
    w, state = optimizer.update(np.ones(2), state, w)
    compiled = optimizer._compiled["update"]
    optimizer.learning_rate = 0.5
    w, state = optimizer.update(np.ones(2), state, w)
    np.testing.assert_allclose(w, -1.5)
    assert optimizer._compiled["update"] is compiled


def test_a_schedule_may_take_the_place_of_a_number():
    optimizer, w = optimizers.SGD(1.0), np.zeros(2)
    w, state = optimizer.update(np.ones(2), optimizer.init(w), w)
    optimizer.learning_rate = lambda step: 0.25 * gpubp.ops.cast(step, "float64")
    w, state = optimizer.update(np.ones(2), state, w)
    np.testing.assert_allclose(w, -1.25)
    with pytest.raises(TypeError, match="function of the step"):
        optimizer.learning_rate = 0.1


def test_a_model_records_anew_what_has_changed():
    model = regression(optimizers.SGD(1.0, weight_decay=1.0))
    model.fit(X, Y, batch_size=40, verbose=0)
    model.optimizer.learning_rate = optimizers.schedules.PiecewiseConstantDecay([1], [0.0, 0.5])
    for left in (1.0, 0.5, 0.5):
        before = weights(model)
        model.fit(0 * X, Y * 0 + before["bias"], batch_size=40, verbose=0)
        np.testing.assert_allclose(model.get_weights()[0], left * before["kernel"], rtol=1e-6)
        if left == 0.5:
            model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert (model.get_weights()[1] == before["bias"]).all()


def test_a_function_may_give_a_plain_number():
    optimizer = optimizers.SGD(lambda step: 0.5)
    model = regression(optimizer)
    assert follow_fit(optimizers.SGD(lambda step: 0.05), make("sgd", "plain")[1]) < 1e-5
    w, _ = optimizer.update(np.ones(2), optimizer.init(np.zeros(2)), np.zeros(2))
    assert w.tolist() == [-0.5, -0.5]
    assert model.optimizer is optimizer


@pytest.mark.parametrize(
    ("grads", "state", "match"),
    [
        ({"a": np.ones(3)}, None, r"\('a', \(3,\)\)"),
        ({"b": np.ones(2)}, None, "'b'"),
        ({"a": np.ones(2)}, {"step": np.int64(0)}, "init"),
    ],
)
def test_trees_that_do_not_fit_are_refused(grads, state, match):
    optimizer, params = optimizers.SGD(), {"a": np.zeros(2)}
    with pytest.raises(ValueError, match=match):
        optimizer.update(grads, state or optimizer.init(params), params)


def test_other_variables_than_before_are_refused():
    optimizer, a, b = optimizers.SGD(1.0), Variable(np.zeros(2)), Variable(np.zeros(2))
    optimizer.apply([np.ones(2)], [a])
    with pytest.raises(ValueError, match="built with"):
        optimizer.apply([np.ones(2)], [b])
    with pytest.raises(ValueError, match="built with"):
        optimizers.SGD().apply([np.ones(2)])
