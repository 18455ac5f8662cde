"""The sweep over learning rates."""

import re

import numpy as np
import pytest

import gpubp
from gpubp.callbacks import find_learning_rate
from gpubp.layers import Dense
from tests.training.watching import regression

# Which rate


def test_the_rate_finder_leaves_the_model_as_it_is(data):
    model = regression("adam")
    model.fit(*data, verbose=0)
    twin = regression("adam")
    twin.fit(*data, verbose=0)
    before = [w.tobytes() for w in [*model.get_weights(), *model.optimizer_state().values()]]
    sweep = find_learning_rate(model, *data, batch_size=8)
    assert [w.tobytes() for w in [*model.get_weights(), *model.optimizer_state().values()]] == before
    assert (model.iterations, model.optimizer.learning_rate) == (1, 0.001)
    assert np.all(np.diff(np.log(sweep.rates)) > 0)
    assert sweep.rates[0] == pytest.approx(1e-7)
    assert len(sweep.rates) == len(sweep.losses) == len(sweep.smoothed) <= 100
    model.fit(*data, verbose=0)
    twin.fit(*data, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), twin.get_weights(), strict=True))


@pytest.mark.parametrize("stream", [False, True])
def test_the_losses_of_a_sweep_are_those_of_its_steps(data, stream):
    """One batch an epoch, linear regression by hand in float64, at rates that grow fourfold."""
    x, y = data[0][:8], data[1][:8]
    gpubp.set_random_seed(0)
    model = gpubp.Sequential([gpubp.Input((2,)), Dense(1, use_bias=False)])
    model.compile("sgd", "mse")

    class One:
        __len__ = lambda self: 1  # noqa: E731
        __getitem__ = lambda self, k: (x, y)  # noqa: E731

    given = (One(),) if stream else (x, y)
    sweep = find_learning_rate(model, *given, start=0.001, end=0.256, steps=5, smoothing=0.5)
    w, losses = model.get_weights()[0].astype(np.float64), []
    for rate in (0.001, 0.004, 0.016, 0.064, 0.256):
        losses.append(((x @ w - y) ** 2).mean())
        w = w - rate * 2 / 8 * x.T @ (x @ w - y)
    assert sweep.rates == pytest.approx([0.001, 0.004, 0.016, 0.064, 0.256])
    assert sweep.losses == pytest.approx(losses, rel=1e-5)
    shares = [[0.5**k for k in range(n, -1, -1)] for n in range(5)]
    means = [np.average(losses[: len(s)], weights=s) for s in shares]
    assert sweep.smoothed == pytest.approx(means, rel=1e-5)


def test_a_sweep_ends_where_it_diverges_and_suggests_a_rate_that_learns(data, tmp_path):
    sweep = find_learning_rate(regression(), *data, batch_size=4, steps=200)
    assert len(sweep.rates) < 200
    assert 1e-4 < sweep.suggestion < 1
    sweep.plot(tmp_path / "sweep.png")
    assert (tmp_path / "sweep.png").read_bytes().startswith(b"\x89PNG")
    model = regression(gpubp.optimizers.SGD(sweep.suggestion))
    losses = model.fit(*data, batch_size=4, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]


def test_a_sweep_takes_the_place_of_a_schedule(data):
    rate = gpubp.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    scheduled, plain = (regression(gpubp.optimizers.SGD(r)) for r in (rate, 0.1))
    sweeps = [find_learning_rate(model, *data, batch_size=8) for model in (scheduled, plain)]
    assert np.array_equal(sweeps[0].losses, sweeps[1].losses)
    assert scheduled.optimizer.learning_rate is rate


@pytest.mark.parametrize(
    ("options", "message"),
    [({"start": 0}, "start > 0"), ({"start": 1, "end": 0.1}, "up to end"), ({"steps": 2}, "at least 3")],
)
def test_sweeps_out_of_range_are_refused(data, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find_learning_rate(regression(), *data, **options)
