"""Loss scaling: updates with overflows in between, by all doors, against the rule written out in NumPy."""

import copy

import numpy as np
import pytest

import gpubp
from gpubp import optimizers
from gpubp.callbacks import BackupAndRestore, Callback
from gpubp.engine.variables import Variable
from gpubp.layers import Dense
from gpubp.optimizers import LBFGS, SGD, Adam, LossScaleOptimizer

from .equations import RULES, make

FIRST, GROWTH = 2.0**10, 3
OVERFLOWS = {0, 1, 6, 11}  # calls with a gradient that is not finite


class Scale:
    """The rule of the scale, written out: (scale, good updates) and what becomes of them."""

    def __init__(self, scale=FIRST, growth=GROWTH):
        self.scale, self.good, self.growth = scale, 0, growth

    def after(self, finite: bool) -> bool:
        if not finite:
            self.scale, self.good = self.scale / 2, 0
        elif self.good == self.growth - 1:
            self.scale, self.good = self.scale * 2, 0
        else:
            self.good += 1
        return finite


@pytest.mark.parametrize("door", ["update", "apply"])
@pytest.mark.parametrize("rule", ["adam", "lamb", "muon", "sgd"])
def test_updates_skip_overflows_and_the_scale_follows_its_rule(rule, door):
    inner, equations = make(rule, "plain")
    optimizer, wanted, scale = LossScaleOptimizer(inner, FIRST, GROWTH), {}, Scale()
    rng = np.random.default_rng(0)
    wanted = {"kernel": rng.standard_normal((3, 2)), "bias": rng.standard_normal(2)}
    params = {name: w.astype(np.float32) for name, w in wanted.items()}
    variables = [Variable(w, name) for name, w in params.items()]
    state = optimizer.init(params)
    for call in range(14):
        grads = {name: rng.standard_normal(w.shape) for name, w in wanted.items()}
        scaled = {name: np.float32(scale.scale * g) for name, g in grads.items()}
        assert float(optimizer.scale_loss(1.0) if door == "apply" else state["dynamic_scale"]) == scale.scale
        if call in OVERFLOWS:
            scaled["bias"][1] = [np.inf, np.nan][call % 2]
        if door == "apply":
            optimizer.apply(list(scaled.values()), variables)
            params = {v.name: v.numpy() for v in variables}
        else:
            params, state = optimizer.update(scaled, state, params)
        if scale.after(call not in OVERFLOWS):
            wanted = equations(wanted, grads)
    for name, w in wanted.items():
        np.testing.assert_allclose(params[name], w, rtol=1e-4, atol=1e-5)
    updates = optimizer.iterations if door == "apply" else int(state["updates"])
    assert updates == equations.updates == 14 - len(OVERFLOWS)
    assert scale.scale == FIRST / 4  # halved four times, doubled twice


def test_accumulated_gradients_are_skipped_together():
    optimizer = LossScaleOptimizer(SGD(0.1, gradient_accumulation_steps=2), FIRST, GROWTH)
    params, wanted = np.float32([1.0, 2.0]), np.float32([1.0, 2.0])
    state, scale = optimizer.init(params), Scale()
    for call in range(8):
        grads = np.float32([call + 1.0, 1.0])
        bad = call in (2, 7)
        scaled = np.float32(scale.scale) * grads * (np.inf if bad else 1)
        params, state = optimizer.update(scaled, state, params)
        if call % 2 == 1 and scale.after(call not in (3, 7)):
            wanted = wanted - 0.1 * (grads + np.float32([call, 1.0])) / 2
        np.testing.assert_allclose(params, wanted, rtol=1e-6)
        assert float(state["dynamic_scale"]) == scale.scale
    assert int(state["updates"]) == 2


# A regression whose gradient overflows float32 as long as the scale is large, while its loss does not

ROWS, BATCH, RATE = 40, 8, 1e-32
X = np.random.default_rng(1).standard_normal((ROWS, 3)) * 1e15
Y = np.random.default_rng(2).standard_normal((ROWS, 1)) * 1e15
LARGEST = float(np.finfo(np.float32).max)


def regression(optimizer=None, initial_scale=2.0**32, growth=2000, **options):
    gpubp.set_random_seed(3)
    model = gpubp.Sequential([gpubp.Input((3,)), Dense(1, use_bias=False)])
    optimizer = optimizer or SGD(RATE, momentum=0.5, use_ema=True, ema_momentum=0.5)
    model.compile(LossScaleOptimizer(optimizer, initial_scale, growth), "mse", **options)
    return model


def fit(model, epochs=3, **options):
    return model.fit(X, Y, epochs=epochs, batch_size=BATCH, shuffle=False, verbose=0, **options)


def written_out(w, scale, steps, rows=BATCH):
    """Momentum and averages of the updates that are left; weights, average, updates and scale after so many steps."""
    velocity, average, updates = np.zeros_like(w), np.zeros_like(w), 0
    for step in range(steps):
        at = step % (ROWS // rows) * rows
        x, y = X[at : at + rows], Y[at : at + rows]
        gradient = 2 * x.T @ (x @ w - y)
        if scale.after(bool(np.all(np.abs(gradient) * scale.scale / rows < LARGEST))):
            velocity = 0.5 * velocity - RATE * gradient / rows
            w = w + velocity
            average = 0.5 * average + 0.5 * w if updates else w
            updates += 1
    return w, average, updates


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize("growth", [2000, 3])
def test_training_skips_what_overflows_and_recovers(growth, eager):
    model = regression(growth=growth, run_eagerly=eager, check_numerics=True)
    (kernel,) = model.get_weights()
    scale = Scale(2.0**32, growth)
    _, average, updates = written_out(kernel.astype(np.float64), scale, 15)
    assert 0 < updates < 13
    fit(model)
    np.testing.assert_allclose(model.get_weights()[0], average, rtol=1e-5)
    state = model.optimizer_state()
    assert (float(state["dynamic_scale"]), float(state["step_counter"])) == (scale.scale, scale.good)
    assert (model.iterations, model.updates, model.optimizer.iterations) == (15, updates, updates)


def test_a_step_that_is_skipped_changes_nothing_else():
    model = regression(Adam(1e-3, use_ema=True, clipnorm=1.0), 2.0**60)
    fit(model, epochs=1)
    kernel, state = model.get_weights()[0], model.optimizer_state()
    assert model.updates == 0
    assert float(state.pop("dynamic_scale")) == 2.0**55
    assert float(state.pop("step_counter")) == 0
    fresh = regression(Adam(1e-3, use_ema=True, clipnorm=1.0))
    assert np.array_equal(kernel, fresh.get_weights()[0])
    fresh._ready()
    first = fresh.optimizer_state()
    assert {name for name, array in state.items() if not np.array_equal(array, first[name])} == set()


def test_single_batches_count_the_updates_that_were_done():
    model, other = regression(), regression()
    for _ in range(4):
        for at in range(0, ROWS, BATCH):
            model.train_on_batch(X[at : at + BATCH], Y[at : at + BATCH])
    fit(other, 4)
    assert (model.iterations, model.updates) == (20, other.updates)
    assert 0 < model.updates < 20


def test_a_loss_that_is_not_finite_still_stops():
    x = X.copy()
    x[9] = 1e30
    model = regression()
    with pytest.raises(FloatingPointError, match="the loss is not finite"):
        model.fit(x, Y, batch_size=BATCH, shuffle=False, verbose=0)
    assert model.iterations == 1


def test_the_scale_stays_where_there_is_a_way_back():
    optimizer = LossScaleOptimizer(SGD(), 2.0**63, 1)
    params, state = np.zeros(2, np.float32), optimizer.init(np.zeros(2, np.float32))
    for wanted in (2.0**64, 2.0**64):
        params, state = optimizer.update(np.zeros(2, np.float32), state, params)
        assert float(state["dynamic_scale"]) == wanted
    optimizer = LossScaleOptimizer(SGD(), 2.0**-63, 1)
    state = optimizer.init(params)
    for wanted in (2.0**-64, 2.0**-64):
        params, state = optimizer.update(np.full(2, np.nan, np.float32), state, params)
        assert float(state["dynamic_scale"]) == wanted


@pytest.mark.parametrize("accumulate", [None, 3])
@pytest.mark.parametrize("rule", RULES)
def test_a_scale_that_never_changes_changes_no_digit_but_the_last_ones(rule, accumulate):
    """That of `loss_scale_factor` is as neutral."""
    x, y = (X / 1e15).astype(np.float32), (Y / 1e15).astype(np.float32)

    def trained(wrap=lambda optimizer: optimizer, **options):
        gpubp.set_random_seed(3)
        model = gpubp.Sequential([gpubp.Input((3,)), Dense(4, "tanh"), Dense(1)])
        options |= {"gradient_accumulation_steps": accumulate}
        model.compile(wrap(make(rule, "plain", **options)[0]), "mse")
        model.fit(x, y, epochs=2, batch_size=BATCH, verbose=0)
        return np.concatenate([w.ravel() for w in model.get_weights()])

    expected = trained()
    for found in (trained(LossScaleOptimizer), trained(loss_scale_factor=512.0)):
        assert np.linalg.norm(found - expected) <= 1e-5 * np.linalg.norm(expected)


# State, configuration, refusals


def test_files_copies_and_backups_hold_the_scale(tmp_path):
    whole = regression(SGD(RATE, momentum=0.5), growth=4)
    fit(whole, 6)
    part = regression(SGD(RATE, momentum=0.5), growth=4)
    fit(part, 2)
    part.save(tmp_path / "model.safetensors")
    for again in (gpubp.load_model(tmp_path / "model.safetensors"), copy.deepcopy(part)):
        fit(again, 6, initial_epoch=2)
        assert_equal(again, whole)

    class Stop(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.iterations == 13:
                raise KeyboardInterrupt

    folder = tmp_path / "backup"
    with pytest.raises(KeyboardInterrupt):
        fit(regression(SGD(RATE, momentum=0.5), growth=4), 6, callbacks=[BackupAndRestore(folder, save_freq=3), Stop()])
    resumed = regression(SGD(RATE, momentum=0.5), growth=4)
    fit(resumed, 6, callbacks=[BackupAndRestore(folder, save_freq=3)])
    assert_equal(resumed, whole)


def assert_equal(model, other):
    """Bit for bit."""
    found, wanted = model.optimizer_state(), other.optimizer_state()
    assert found.keys() == wanted.keys()
    assert {name for name, a in found.items() if not np.array_equal(a, wanted[name])} == set()
    assert np.array_equal(model.get_weights()[0], other.get_weights()[0])
    assert model.updates == other.updates


def test_a_file_from_before_the_first_step_begins_from_the_first_scale(tmp_path):
    model = regression(growth=4)
    model.save(tmp_path / "model.safetensors")
    again = gpubp.load_model(tmp_path / "model.safetensors")
    fit(model)
    fit(again)
    assert_equal(again, model)


def test_an_optimizer_that_begins_anew_begins_from_the_first_scale():
    model = regression()
    fit(model)
    model.reset_optimizer()
    assert float(model.optimizer_state()["dynamic_scale"]) == 2.0**32


def test_the_configuration_makes_an_equal_one():
    optimizer = LossScaleOptimizer(Adam(0.01, clipnorm=1.0), 2.0**7, 5)
    assert optimizer.get_config().keys() == {"name", "inner_optimizer", "initial_scale", "dynamic_growth_steps"}
    again = optimizers.get(optimizers.serialize(optimizer))
    assert type(again) is LossScaleOptimizer
    assert again.get_config() == optimizer.get_config()
    assert gpubp.mixed_precision.LossScaleOptimizer is LossScaleOptimizer


def test_rate_counts_and_averages_are_those_of_the_inner_optimizer():
    inner = Adam(0.01, gradient_accumulation_steps=3, use_ema=True, loss_scale_factor=8.0)
    optimizer = LossScaleOptimizer(inner)
    optimizer.learning_rate, optimizer.iterations = 0.5, 7
    assert (inner.learning_rate, inner.iterations, inner.loss_scale_factor) == (0.5, 7, None)
    assert optimizer.all_slots == ("momentum", "velocity", "average")
    assert optimizer.gradient_accumulation_steps == 3
    before = optimizer.revision
    inner.learning_rate = lambda step: 0.1
    assert optimizer.revision > before


@pytest.mark.parametrize(
    ("make_it", "error", "message"),
    [
        (lambda: LossScaleOptimizer("adam"), TypeError, "takes another optimizer"),
        (lambda: LossScaleOptimizer(LossScaleOptimizer(Adam())), TypeError, "takes another optimizer"),
        (lambda: LossScaleOptimizer(Adam(), 0.0), ValueError, "initial_scale must be greater than 0"),
        (lambda: LossScaleOptimizer(Adam(), dynamic_growth_steps=0), ValueError, "dynamic_growth_steps must be an int"),
        (lambda: LossScaleOptimizer(Adam(), clipnorm=1.0), ValueError, "'clipnorm': set it on the inner optimizer"),
        (lambda: LossScaleOptimizer(Adam(), growth=1), ValueError, "growth"),
        (lambda: optimizers.get({"class_name": "LossScaleOptimizer", "config": {}}), ValueError, "inner_optimizer"),
    ],
)
def test_what_makes_no_sense_is_refused(make_it, error, message):
    with pytest.raises(error, match=message):
        make_it()


def compiled(optimizer, policy=None, own=None, **options):
    before = gpubp.config.dtype_policy()
    gpubp.config.set_dtype_policy(policy or before)
    try:
        model = gpubp.Sequential([gpubp.Input((3,)), Dense(1, dtype=own)])
    finally:
        gpubp.config.set_dtype_policy(before)
    model.compile(optimizer, "mse", **options)
    return type(model.optimizer)


def test_compiling_under_float16_puts_it_around_the_optimizer():
    assert compiled("adam", "mixed_float16") is LossScaleOptimizer
    assert compiled("adam", own="mixed_float16") is LossScaleOptimizer
    assert compiled(LossScaleOptimizer(Adam()), "mixed_float16") is LossScaleOptimizer
    assert compiled("adam", "mixed_float16", auto_scale_loss=False) is Adam
    assert compiled("adam", "mixed_bfloat16") is Adam
    assert compiled("adam") is Adam
    assert compiled(LBFGS(), "mixed_float16") is LBFGS
