"""Contenders do the same work as gpubp: the same losses after the same updates, the same predictions, other orders."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from gpubp.bench.contenders import CONTENDERS, LIBRARIES, OWN, UnableError, find
from gpubp.bench.problems import random_problem

from .problems import REGRESSION, TINY

SLOW = {"PyTorch compiled"}  # it compiles for half a minute; a run of the suite compares its loss as well
CASES = {
    "adam": TINY,
    "sgd": replace(TINY, optimizer="sgd"),
    "regression": REGRESSION,
    "two classes": replace(TINY, widths=(3, 5, 2)),
    "batch norm": replace(TINY, batch_norm=True),
    "float64": replace(TINY, dtype="float64"),
}
TRAINERS = [n for n in CONTENDERS if n not in SLOW | {"products", "ONNX Runtime", "gpubp.sklearn", "scikit-learn fit"}]


def contender(name, case):
    try:
        kind = find(name)
    except ImportError as error:
        pytest.skip(str(error))
    try:
        return kind(case, random_problem(case))
    except UnableError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("name", "case"),
    [(name, case) for name in ("NumPy", "scikit-learn", "PyTorch", "JAX jit") for case in CASES]
    + [("PyTorch DataLoader", "adam"), ("JAX lax.scan", "adam")],  # other loops around the same step
)
def test_the_same_loss_after_the_same_updates_and_the_same_again(name, case):
    case = CASES[case]
    other, own = contender(name, case), contender("gpubp", case)
    own.reset()
    other.reset()
    expected, first = own.epoch(), other.epoch()
    other.reset()
    assert other.epoch() == first  # each sample begins anew
    if first is None:
        assert (name, case.widths[-1]) == ("scikit-learn", 2)  # a smaller net
    else:
        assert first == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("case", [TINY, REGRESSION], ids=["classes", "regression"])
@pytest.mark.parametrize("name", [*TRAINERS, "ONNX Runtime"])
def test_predictions_are_those_of_the_initial_weights(name, case):
    one = contender(name, case)
    one.reset()
    w, b, v, c = one.problem.weights
    expected = np.maximum(one.problem.x @ w + b, 0) @ v + c
    if not case.regression:
        expected = np.exp(log_softmax(expected.astype(float), axis=1))
    found = one.predict(one.problem.x)
    assert found.shape == expected.shape
    assert np.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("name", TRAINERS)
def test_training_goes_on_through_other_orders(name):
    one = contender(name, TINY)
    one.reset()
    losses = []
    for epoch in range(30):
        one.shuffle(epoch)
        losses.append(one.epoch())
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.parametrize("name", ["NumPy", "scikit-learn"])
@pytest.mark.parametrize("what", [{"dropout": 0.5}, {"batch_norm": True}])
def test_who_has_no_dropout_or_normalisation_says_so(name, what):
    case = replace(TINY, **what)
    with pytest.raises(UnableError, match=r"has no (dropout|batch normalisation)"):
        find(name)(case, random_problem(case))


@pytest.mark.parametrize("name", ["PyTorch", "JAX jit", "JAX lax.scan"])
def test_dropout_trains_with_a_loss_like_gpubps(name):
    case = replace(TINY, widths=(3, 64, 4), batch=64, steps=32, dropout=0.3)
    losses = []
    for one in (contender("gpubp", case), contender(name, case)):
        one.reset()
        losses.append(one.epoch())
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1] != pytest.approx(losses[0], rel=1e-5)  # masks of its own


def test_scan_settles_for_the_fastest_way_and_names_it():
    scan = contender("JAX lax.scan", replace(TINY, steps=4))
    scan.tune()
    assert scan.note.split(", ")[0] in ("flat vector", "list of arrays")
    assert f"unroll={scan.unroll}" in scan.note


def test_the_floor_consists_of_the_products_alone():
    floor = contender("products", TINY)
    floor.reset()
    before = floor.model.get_weights()
    assert floor.epoch() is None
    assert all((a == b).all() for a, b in zip(before, floor.model.get_weights(), strict=True))
    codes = [i for part in floor.executor.program.parts for i in part.code]
    assert [i.op.name for i in codes] == ["matmul"] * 5


def test_every_contender_belongs_to_a_library_or_to_gpubp():
    assert sorted(CONTENDERS) == sorted([*OWN, *(name for names in LIBRARIES.values() for name in names)])
