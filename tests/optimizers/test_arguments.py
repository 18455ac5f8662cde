"""What optimizers refuse, and the way through a configuration and back."""

import copy
import json
import pickle

import numpy as np
import pytest

import gpubp
from gpubp import optimizers
from gpubp.optimizers import LBFGS, SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Ftrl, Lamb, Lion, Muon, Nadam, RMSprop
from gpubp.optimizers.schedules import CosineDecay

from .equations import OPTIONS, RULES, make


@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("rule", RULES)
def test_configurations_make_equal_optimizers(rule, option):
    optimizer = make(rule, option)[0]
    described = json.loads(json.dumps(optimizers.serialize(optimizer)))
    for again in (optimizers.get(described), type(optimizer)(**described["config"])):
        assert type(again) is type(optimizer)
        assert again.get_config() == optimizer.get_config()
        assert again.all_slots == optimizer.all_slots


@pytest.mark.parametrize("wrap", [lambda o: o, optimizers.LossScaleOptimizer])
def test_a_rate_can_be_assigned_to(wrap):
    optimizer = wrap(SGD(0.5))
    model = gpubp.Sequential([gpubp.Input((1,)), gpubp.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, "mse")
    model.set_weights([np.ones((1, 1))])
    model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))  # w - 0.5 * 2 w
    assert model.get_weights()[0].item() == 0.0
    before = optimizer.learning_rate
    before.assign(0.25)
    assert (before, optimizer.learning_rate, optimizer.learning_rate.numpy()) == (0.5, 0.25, 0.25)
    model.set_weights([np.ones((1, 1))])
    model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1)))
    assert model.get_weights()[0].item() == 0.5
    for copied in (copy.deepcopy(before), pickle.loads(pickle.dumps(before))):
        assert type(copied) is float
    other = SGD(optimizer.learning_rate)
    other.learning_rate.assign(1.0)
    assert (other.learning_rate, optimizer.learning_rate) == (1.0, 0.25)
    with pytest.raises(ValueError, match="learning_rate must be at least 0"):
        optimizer.learning_rate.assign(-1)
    assert optimizer.learning_rate == 0.25


def test_configurations_have_the_names_of_keras():
    assert Adam(0.002, beta_1=0.8, clipnorm=1.0).get_config() == {
        "learning_rate": 0.002,
        "beta_1": 0.8,
        "beta_2": 0.999,
        "epsilon": 1e-7,
        "amsgrad": False,
        "weight_decay": None,
        "clipnorm": 1.0,
        "clipvalue": None,
        "global_clipnorm": None,
        "use_ema": False,
        "ema_momentum": 0.99,
        "ema_overwrite_frequency": None,
        "loss_scale_factor": None,
        "gradient_accumulation_steps": None,
        "name": "adam",
        "weight_decay_exclusions": None,
    }


def test_lbfgs_has_a_configuration_of_its_own():
    again = optimizers.get(optimizers.serialize(LBFGS(7, memory=3)))
    assert (again.max_iter, again.memory, again.name) == (7, 3, "lbfgs")


@pytest.mark.parametrize("name", optimizers.CLASSES)
def test_names_are_known_as_they_are_and_in_lower_case(name):
    for identifier in (name, name.lower(), {"class_name": name.lower(), "config": {}}):
        assert type(optimizers.get(identifier)).__name__ == name


def test_excluded_variables_are_known_by_their_names():
    model = gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(2), gpubp.layers.Dense(1)])
    optimizer = AdamW()
    optimizer.exclude_from_weight_decay(var_list=model.variables[:1], var_names=["bias"])
    decays = {v.name: optimizer.treatment(v).decay for v in model.variables}
    assert decays == {"dense/kernel": None, "dense/bias": None, "dense_1/kernel": 0.004, "dense_1/bias": None}
    again = optimizers.get(optimizers.serialize(optimizer))
    assert [again.treatment(v).decay for v in model.variables] == list(decays.values())


def test_exclusions_hold_for_the_next_update():
    optimizer, w = SGD(1.0, weight_decay=0.5), {"bias": np.ones(1)}
    w, state = optimizer.update({"bias": np.zeros(1)}, optimizer.init(w), w)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    w, state = optimizer.update({"bias": np.zeros(1)}, state, w)
    assert w["bias"].tolist() == [0.5]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_update_alike(copied):
    optimizer, w = Adam(CosineDecay(0.1, 10)), np.ones(2)
    expected, _ = optimizer.update(w, optimizer.init(w), w)
    found, _ = copied(optimizer).update(w, optimizer.init(w), w)
    assert (found == expected).all()


def test_saved_models_keep_schedules_averages_and_first_values(tmp_path):
    def fitted(model):
        model.fit(np.eye(4), np.eye(4), batch_size=2, epochs=2, shuffle=False, verbose=0)
        return model.get_weights()

    model = gpubp.Sequential([gpubp.Input((4,)), gpubp.layers.Dense(4)])
    model.compile(Adagrad(CosineDecay(0.1, 10), use_ema=True, weight_decay=0.1), "mse")
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    fitted(model)
    model.save(tmp_path / "model.safetensors")
    again = gpubp.load_model(tmp_path / "model.safetensors")
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert all((a == b).all() for a, b in zip(fitted(again), fitted(model), strict=True))


COMMON = [
    ({"weight_decay": -1}, "weight_decay"),
    ({"clipnorm": 0}, "clipnorm"),
    ({"clipvalue": -1}, "clipvalue"),
    ({"global_clipnorm": "1"}, "global_clipnorm"),
    ({"clipnorm": 1, "clipvalue": 1}, "only one of"),
    ({"ema_momentum": 1.5}, "ema_momentum"),
    ({"ema_overwrite_frequency": 0}, "ema_overwrite_frequency"),
    ({"ema_overwrite_frequency": 2.5}, "ema_overwrite_frequency must be an int"),
    ({"gradient_accumulation_steps": 1}, "gradient_accumulation_steps"),
    ({"loss_scale_factor": 0}, "loss_scale_factor"),
    ({"clip_norm": 1}, "clip_norm.*did you mean 'clipnorm'"),
    ({"lr": 1}, "unknown argument of"),
]


@pytest.mark.parametrize("name", sorted(set(optimizers.CLASSES) - {"LBFGS"}))
@pytest.mark.parametrize(("arguments", "match"), COMMON)
def test_every_optimizer_refuses_common_arguments_out_of_range(name, arguments, match):
    with pytest.raises(ValueError, match=match):
        optimizers.CLASSES[name](**arguments)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: SGD(-1), "learning_rate must be at least 0; it is -1"),
        (lambda: SGD("fast"), "learning_rate"),
        (lambda: SGD(True), "learning_rate"),
        (lambda: SGD(None), "learning_rate"),
        (lambda: SGD(momentum=2), "momentum"),
        (lambda: Adam(beta_1=1), "beta_1"),
        (lambda: Adam(beta_2=-0.1), "beta_2"),
        (lambda: Adam(epsilon=0), "epsilon"),
        (lambda: AdamW(weight_decay=None), "weight_decay"),
        (lambda: RMSprop(rho=1), "rho"),
        (lambda: RMSprop(momentum=-1), "momentum"),
        (lambda: RMSprop(epsilon=0), "epsilon"),
        (lambda: Adagrad(initial_accumulator_value=-1), "initial_accumulator_value"),
        (lambda: Adagrad(epsilon=0), "epsilon"),
        (lambda: Adadelta(rho=1), "rho"),
        (lambda: Adadelta(epsilon=0), "epsilon"),
        (lambda: Adamax(beta_1=1), "beta_1"),
        (lambda: Adamax(beta_2=1), "beta_2"),
        (lambda: Adamax(epsilon=0), "epsilon"),
        (lambda: Nadam(beta_1=1), "beta_1"),
        (lambda: Nadam(beta_2=1), "beta_2"),
        (lambda: Nadam(epsilon=0), "epsilon"),
        (lambda: Lamb(beta_1=1), "beta_1"),
        (lambda: Lamb(beta_2=1), "beta_2"),
        (lambda: Lamb(epsilon=0), "epsilon"),
        (lambda: Lion(beta_1=0), "beta_1"),
        (lambda: Lion(beta_2=2), "beta_2"),
        (lambda: Muon(adam_beta_1=1), "adam_beta_1"),
        (lambda: Muon(adam_beta_2=1), "adam_beta_2"),
        (lambda: Muon(epsilon=0), "epsilon"),
        (lambda: Muon(momentum=2), "momentum"),
        (lambda: Muon(ns_steps=0), "ns_steps"),
        (lambda: Muon(adam_lr_ratio=-1), "adam_lr_ratio"),
        (lambda: Muon(adam_weight_decay=-1), "adam_weight_decay"),
        (lambda: Muon(rms_rate=0), "rms_rate"),
        (lambda: Ftrl(learning_rate_power=1), "learning_rate_power"),
        (lambda: Ftrl(initial_accumulator_value=-1), "initial_accumulator_value"),
        (lambda: Ftrl(l1_regularization_strength=-1), "l1_regularization_strength"),
        (lambda: Ftrl(l2_regularization_strength=-1), "l2_regularization_strength"),
        (lambda: Ftrl(l2_shrinkage_regularization_strength=-1), "l2_shrinkage_regularization_strength"),
        (lambda: Ftrl(beta=-1), "beta"),
        (lambda: LBFGS(max_iter=0), "max_iter"),
        (lambda: LBFGS(max_fun=0), "max_fun"),
        (lambda: LBFGS(tolerance=-1), "^tolerance"),
        (lambda: LBFGS(change_tolerance=-1), "change_tolerance"),
        (lambda: LBFGS(memory=0), "memory"),
        (lambda: optimizers.get("adamm"), "did you mean 'adam'"),
        (lambda: optimizers.get(3), "this is 3"),
        (lambda: optimizers.get({"name": "adam"}), "class_name"),
        (lambda: optimizers.get({"class_name": "adam", "config": {"beta": 1}}), "unknown argument of Adam 'beta'"),
        (lambda: SGD(lambda step: 0.1).get_config(), "can't be saved"),
    ],
)
def test_what_does_not_fit_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_a_rate_out_of_range_is_refused_and_nothing_changes():
    optimizer = SGD(0.1)
    with pytest.raises(ValueError, match="learning_rate"):
        optimizer.learning_rate = -1
    assert optimizer.learning_rate == 0.1
