"""Schedules against their closed forms, on numbers, arrays and symbols."""

import json
from math import ceil, cos, floor, isclose, pi

import numpy as np
import pytest

import gpubp
from gpubp.optimizers import SGD, schedules
from gpubp.optimizers.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
)

LATE = 1 << 40
STEPS = [0, 1, 2, 3, 6, 7, 8, 14, 15, 20, 21, 49, 50, 51, 99, 100, 105, 700, 12345]


def cosine(a, b, share):
    return b + (a - b) * (1 + cos(pi * share)) / 2


def polynomial(step, cycle):
    steps = 7 * max(1, -(-step // 7)) if cycle else 7
    return 0.09 * (1 - min(step, steps) / steps) ** 2 + 0.01


def restarts(step, t, m, alpha):
    """By walking through the periods."""
    begin, length, height = 0.0, 7.0, 1.0
    while step >= begin + length:
        begin, length, height = begin + length, length * t, height * m
    return 0.1 * ((1 - alpha) * height * (1 + cos(pi * (step - begin) / length)) / 2 + alpha)


def warm(step, start=0.02, target=0.1, up=6, down=20, alpha=0.1):
    if step < up:
        return start + (target - start) * step / up
    return target * ((1 - alpha) * (1 + cos(pi * min(step - up, down) / down)) / 2 + alpha)


def one_cycle(step):
    top, last = 0.3 * 50 - 1, 49
    if step <= top:
        return cosine(0.1 / 25, 0.1, step / top)
    return cosine(0.1, 0.1 / 25 / 1e4, (min(step, last) - top) / (last - top))


CASES = {
    "exponential": (ExponentialDecay(0.1, 7, 0.9), lambda s: 0.1 * 0.9 ** (s / 7)),
    "exponential stairs": (ExponentialDecay(0.1, 7, 0.9, staircase=True), lambda s: 0.1 * 0.9 ** (s // 7)),
    "inverse time": (InverseTimeDecay(0.1, 7, 0.5), lambda s: 0.1 / (1 + 0.5 * s / 7)),
    "inverse time stairs": (InverseTimeDecay(0.1, 7, 0.5, staircase=True), lambda s: 0.1 / (1 + 0.5 * (s // 7))),
    "constants": (
        PiecewiseConstantDecay([7, 50], [0.1, 0.03, 0.7]),
        lambda s: 0.1 if s <= 7 else 0.03 if s <= 50 else 0.7,
    ),
    "polynomial": (PolynomialDecay(0.1, 7, 0.01, power=2), lambda s: polynomial(s, False)),
    "polynomial cycles": (PolynomialDecay(0.1, 7, 0.01, 2, cycle=True), lambda s: polynomial(s, True)),
    "cosine": (CosineDecay(0.1, 20, alpha=0.1), lambda s: warm(s, up=0)),
    "cosine after warm-up": (CosineDecay(0.02, 20, 0.1, warmup_target=0.1, warmup_steps=6), warm),
    "cosine with a target alone": (CosineDecay(0.02, 20, 0.1, warmup_target=0.1), lambda s: warm(s, up=0)),
    "restarts": (CosineDecayRestarts(0.1, 7), lambda s: restarts(s, 2, 1, 0)),
    "longer, lower restarts": (CosineDecayRestarts(0.1, 7, 3, 0.8, 0.1), lambda s: restarts(s, 3, 0.8, 0.1)),
    "equal restarts": (CosineDecayRestarts(0.1, 7, 1, 0.9), lambda s: restarts(s, 1, 0.9, 0)),
    "one cycle": (OneCycle(0.1, 50), one_cycle),
}


def test_the_table_has_every_schedule():
    assert {type(made).__name__ for made, _ in CASES.values()} == set(schedules.CLASSES)


@pytest.mark.parametrize("case", CASES)
def test_numbers_arrays_and_symbols_follow_the_closed_form(case):
    schedule, form = CASES[case]
    wanted = [form(step) for step in STEPS]
    np.testing.assert_allclose([float(schedule(step)) for step in STEPS], wanted, rtol=1e-13, atol=1e-17)
    np.testing.assert_allclose(schedule(np.array(STEPS)), wanted, rtol=1e-13, atol=1e-17)
    np.testing.assert_allclose(gpubp.compile(schedule)(np.array(STEPS)), wanted, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize("case", CASES)
def test_configurations_make_equal_schedules(case):
    schedule = CASES[case][0]
    again = schedules.deserialize(json.loads(json.dumps(schedules.serialize(schedule))))
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert (again(np.array(STEPS)) == schedule(np.array(STEPS))).all()


def test_late_steps_are_told_apart():
    """Float32 counts to 16,777,216."""
    schedule = PiecewiseConstantDecay([LATE], [1.0, 0.5])
    assert [float(schedule(LATE)), float(schedule(LATE + 1))] == [1.0, 0.5]
    stairs = ExponentialDecay(1.0, 3, 0.5, staircase=True)
    assert isclose(float(stairs(59)), 0.5 ** floor(59 / 3))
    assert isclose(float(PolynomialDecay(1.0, LATE, 0.0)(LATE - 1)), 1 / LATE)


@pytest.mark.parametrize("t", [1.5, 2, 10])
def test_restarts_happen_at_their_step(t):
    """Logarithms of powers round to either side of whole numbers."""
    schedule, begin, length = CosineDecayRestarts(1.0, 1000, t_mul=t), 0.0, 1000.0
    while begin < 1e7:
        assert float(schedule(ceil(begin))) > 0.99
        assert begin == 0 or float(schedule(ceil(begin) - 2)) < 0.01
        begin, length = begin + length, length * t


def test_an_optimizer_follows_its_schedule():
    optimizer, w = SGD(PiecewiseConstantDecay([1], [1.0, 0.25])), np.zeros(1)
    state = optimizer.init(w)
    for expected in (-1.0, -2.0, -2.25):
        w, state = optimizer.update(np.ones(1), state, w)
        assert w.tolist() == [expected]


class Halving(LearningRateSchedule):
    """A schedule of one's own."""

    def __init__(self, first):
        self.first = first

    def __call__(self, step):
        return self.first / 2.0 ** gpubp.ops.cast(step, np.float64)


def test_schedules_of_ones_own():
    config = SGD(Halving(0.5)).get_config()
    assert config["learning_rate"] == {"class_name": "Halving", "config": {"first": 0.5}}
    again = SGD.from_config(config, {"Halving": Halving})
    assert again.learning_rate.first == 0.5
    with pytest.raises(ValueError, match="unknown schedule 'Halving'"):
        SGD.from_config(config)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ExponentialDecay(-1, 1, 0.5), "initial_learning_rate"),
        (lambda: ExponentialDecay(1, 0, 0.5), "decay_steps"),
        (lambda: ExponentialDecay(1, 1, 0), "decay_rate"),
        (lambda: InverseTimeDecay(1, 1, -1), "decay_rate"),
        (lambda: PolynomialDecay(1, 1, -1), "end_learning_rate"),
        (lambda: PiecewiseConstantDecay([1], [1]), "1 values, 1 boundaries"),
        (lambda: PiecewiseConstantDecay([2, 2], [1, 2, 3]), "grow"),
        (lambda: PiecewiseConstantDecay([2], [1, -2]), "values"),
        (lambda: CosineDecay(1, 10, warmup_steps=-1), "warmup_steps"),
        (lambda: CosineDecay(1, 10, warmup_target=-1), "warmup_target"),
        (lambda: CosineDecayRestarts(1, 10, t_mul=0.5), "t_mul"),
        (lambda: CosineDecayRestarts(1, 10, m_mul=0), "m_mul"),
        (lambda: OneCycle(1, 1), "total_steps"),
        (lambda: OneCycle(1, 3, pct_start=0.1), "total_steps"),
        (lambda: OneCycle(1, 10, pct_start=1), "pct_start"),
        (lambda: schedules.deserialize({"name": "CosineDecay"}), "class_name"),
        (lambda: schedules.deserialize({"class_name": "CosinDecay", "config": {}}), "did you mean 'CosineDecay'"),
    ],
)
def test_what_does_not_fit_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
