"""Neighbours that need not wait for each other share a launch, and compute what they do by themselves."""

from itertools import chain

import numpy as np
import pytest

import gpubp
from gpubp.engine.executors import cuda
from gpubp.engine.executors.calls import Call, Product
from gpubp.engine.executors.lower_cuda import lowered
from gpubp.engine.executors.together import together
from gpubp.layers import Dense

from .test_training import CASES, fitted

RNG = np.random.default_rng(0)


def calls_of(model, rows=16, mode="train") -> list[Call | Product]:
    return list(chain(*lowered(model.program(rows, mode), rows, None)[0]))


@pytest.mark.parametrize("name", ["relu, Adam", "regression", "clipping"])
def test_a_step_has_one_gather_and_one_end(gpu, name):
    model = CASES[name][0]()
    alone = calls_of(model)
    shared = together(alone)
    assert sum(getattr(call, "independent", False) for call in alone) == 2
    assert sum(getattr(call, "independent", False) for call in shared) == 1
    assert len(shared) == len(alone) - 2
    assert shared[-1].families == ("step.cu",)
    assert "advance(" in shared[-1].text
    assert len(shared[-1].arguments) > len(alone[-1].arguments)


def test_all_arrays_of_a_batch_are_gathered_at_once(gpu):
    inputs = [gpubp.Input((n,)) for n in (3, 4, 8)]
    model = gpubp.Model(inputs, [Dense(2)(gpubp.layers.concatenate(inputs)), Dense(5)(inputs[0])])
    model.compile("sgd", "mse")
    assert [call.independent for call in together(calls_of(model)) if isinstance(call, Call)].count(True) == 1


def test_what_a_model_picks_by_itself_waits_for_what_it_is_picked_from(gpu):
    """Rows of a product are no batch."""

    def picked(x):
        return gpubp.ops.take_rows(x * 2.0, gpubp.ops.argsort(x[:, 0]), dtype="float32")

    x = gpubp.Input((3,))
    model = gpubp.Model(x, gpubp.layers.Lambda(picked)(x))
    assert not any(call.independent for call in calls_of(model, mode="predict") if isinstance(call, Call))


@pytest.mark.parametrize(("name", "order"), [(name, order) for name in CASES for order in (0, 1)])
def test_bits_are_those_of_launches_by_themselves(gpu, monkeypatch, name, order):
    gpu.order = order
    shared = fitted(*CASES[name], epochs=1)[0].get_weights()
    monkeypatch.setattr(cuda, "together", list)
    alone = fitted(*CASES[name], epochs=1)[0].get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(shared, alone, strict=True))
