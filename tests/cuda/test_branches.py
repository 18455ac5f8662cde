"""Gradients of weights run beside the rest of a step, and nothing that they work on is touched before they are done."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

import gpubp
from gpubp.backend.device import Gemm
from gpubp.engine.executors import branches, cuda
from gpubp.engine.executors.branches import JOIN, branched
from gpubp.engine.executors.calls import Call, Product
from gpubp.engine.executors.lower_cuda import lowered
from gpubp.engine.fuse import base
from gpubp.engine.plan import WORK, Operand
from gpubp.kernels.cuda.generate import Text
from gpubp.kernels.cuda.launch import Launch
from gpubp.layers import Dense

from .test_training import CASES, distance, fitted

ROWS = 8


def place(segment, row, rows=1):
    return Operand(segment, 64 * row, np.dtype(np.float32), (16 * rows,))


def product(a, b, c):
    return Product(a, b, c, Gemm(4, 4, 4, 4, 4, 4), ROWS)


def kernel(*operands):
    """That reads and writes all of them."""
    return Call(Text((), ()), (), Launch((1, 1, 1), (1, 1, 1)), operands, operands, ROWS)


def reader(*operands):
    """That writes none of them."""
    return replace(kernel(*operands), writes=())


PLACES = [place("work", k) for k in range(6)]
GRADIENT, OTHER = product(PLACES[0], PLACES[1], place("grads", 0)), product(PLACES[2], PLACES[3], place("grads", 1))


def kinds(calls):
    """What happens: "g" gradients in the second queue, "j" a wait, "." all else."""
    return "".join("j" if call == JOIN else "g" if beside else "." for call, beside in branched(calls))


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([GRADIENT, kernel(PLACES[2])], "g.j"),
        ([GRADIENT, kernel(PLACES[2]), kernel(PLACES[0])], "g.j."),
        ([GRADIENT, reader(PLACES[0]), kernel(PLACES[2])], "g..j"),
        ([GRADIENT, kernel(place("grads", 0))], ".."),
        ([GRADIENT, reader(place("grads", 0))], ".."),
        ([GRADIENT, reader(PLACES[2]), reader(place("grads", 0))], "g.j."),
        ([GRADIENT, reader(PLACES[2]), OTHER, kernel(PLACES[0]), kernel(PLACES[1])], "g.jg..j"),
        ([GRADIENT, kernel(place("grads", 1))], "g.j"),
        ([GRADIENT, product(PLACES[0], PLACES[2], PLACES[3])], "g.j"),
        ([GRADIENT, product(PLACES[2], PLACES[3], PLACES[1])], ".."),
        ([kernel(PLACES[0]), product(PLACES[0], PLACES[2], PLACES[3]), GRADIENT, kernel(PLACES[1])], ".g.j."),
        ([product(PLACES[3], PLACES[2], PLACES[0]), GRADIENT, kernel(PLACES[4])], ".g.j"),
        ([GRADIENT, product(PLACES[2], PLACES[3], place("grads", 2)), kernel(PLACES[3])], "g..j"),
        ([kernel(PLACES[0])], "."),
    ],
    ids=[
        "something else",
        "an operand is overwritten",
        "an operand is read",
        "the result is overwritten at once",
        "the result is read at once",
        "the result is read",
        "a wait before another gradient",
        "another gradient is read",
        "a product reads the same",
        "a product overwrites an operand",
        "it moves before a product",
        "it stays behind the product that it needs",
        "two gradients",
        "none",
    ],
)
def test_who_waits_for_whom(calls, expected):
    assert kinds(calls) == expected


@pytest.mark.parametrize("name", CASES)
def test_a_step_does_each_of_its_calls_once_and_ends_joined(gpu, name):
    model, _ = fitted(*CASES[name], epochs=1)
    (runner,) = next(r for key, r in model._runners.items() if key[0] == "train")
    calls = [call for group in lowered(runner.program, 16, None)[0] for call in group]
    found = branched(calls)
    assert sorted(map(id, calls)) == sorted(id(call) for call, _ in found if call != JOIN)
    assert sum(beside for _, beside in found) >= 1
    assert JOIN in [call for call, _ in found]


def test_devices_may_have_one_queue_alone(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "branches", False)
    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    assert not {"branch", "join"} & {kind for kind, *_ in gpu.record}
    with gpubp.device("cpu"):
        assert distance(model, fitted(*CASES["relu, Adam"], epochs=1)[0]) < 1e-5


def test_a_wait_that_is_missing_gives_wrong_weights(gpu, monkeypatch):
    """What the second queue holds is done as late as can be: with its waits, where they are needed, to no harm."""
    fitting = partial(fitted, *CASES["relu, Adam"], epochs=1)
    right = fitting()[0].get_weights()
    monkeypatch.setattr(branches, "_meet", lambda call, beside: False)
    monkeypatch.setattr(cuda, "branched", branched)
    wrong = fitting()[0].get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(right, wrong, strict=True))


def random_model(seed):
    """Dense layers that begin at any of those before them, and an output that all lead to."""
    rng = np.random.default_rng(seed)
    found = [gpubp.Input((int(n),)) for n in rng.integers(4, 40, 2)]
    inputs = list(found)
    for width, begin in zip(rng.choice([8, 40, 100, 300], 5), rng.random(5), strict=True):
        found.append(Dense(int(width), str(rng.choice(["relu", "tanh", "gelu"])))(found[int(begin * len(found))]))
    model = gpubp.Model(inputs, Dense(3)(gpubp.layers.concatenate([Dense(4)(x) for x in found])))
    model.compile("sgd", "mse")
    return model


def overwritten(part, rows) -> list[str]:
    """What is read of `work` after something else was put in its place."""
    code, places, found = part.code, part.places, []
    made = {x: k for k, i in enumerate(code) for x in i.outputs}
    for k, reader in enumerate(code):
        for x in map(base, reader.inputs):
            between = [y for i in code[made.get(x, k) + 1 : k] for y in (*i.outputs, *i.scratch)]
            if places[x].segment == WORK and any(places[y].overlaps(places[x], rows) for y in between):
                found.append(f"{code[made[x]].name} before {reader.name}")
    return found


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_overwritten_before_it_is_read(gpu, seed):
    """However long what gradients read is kept."""
    parts = random_model(seed).program(ROWS).parts
    assert [found for part in parts for found in overwritten(part, ROWS)] == []
