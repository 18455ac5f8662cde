"""Callbacks that change a training, against tables written by hand."""

import numpy as np
import pytest

import gpubp
from gpubp.callbacks import (
    Callback,
    EarlyStopping,
    LambdaCallback,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from tests.training.watching import Batches, Script, regression, scripted

# Stopping early

LOSSES = [10.0, 9.0, 8.0, 9.0, 8.9, 8.8, 8.7, 8.6, 8.5]


@pytest.mark.parametrize(("patience", "last"), [(0, 3), (1, 3), (2, 4), (3, 5)])
def test_early_stopping_waits(patience, last):
    """The table of Keras's own test."""
    stop = EarlyStopping(patience=patience)
    _, history = scripted(stop, LOSSES)
    assert history.epoch[-1] == stop.stopped_epoch == last


@pytest.mark.parametrize(
    ("options", "values", "last"),
    [
        ({"mode": "max", "monitor": "accuracy"}, [0.1, 0.2, 0.15, 0.3], 2),
        ({"monitor": "accuracy"}, [0.1, 0.2, 0.15, 0.3], 2),
        ({"monitor": "out_mse"}, [1.0, 2.0, 1.0], 1),
        ({"min_delta": 0.5}, [3.0, 2.0, 1.75, 1.0], 2),
        ({"min_delta": -0.5}, [3.0, 2.0, 1.75, 1.0], 2),
        ({"min_delta": 0.2}, [3.0, 2.0, 1.75, 1.0], 3),
        ({"baseline": 1.5, "patience": 2}, [3.0, 2.0, 1.0, 0.5], 3),  # better than the best, but than 1.5 too late
        ({"baseline": 1.5, "patience": 2}, [3.0, 2.0, 2.5, 0.5], 2),
        ({"start_from_epoch": 2}, [1.0, 2.0, 3.0, 2.5, 2.7], 4),
        ({}, [1.0, float("nan"), 0.5], 1),
    ],
)
def test_early_stopping_by_table(options, values, last):
    _, history = scripted(EarlyStopping(**options), values, options.get("monitor", "val_loss"))
    assert history.epoch[-1] == last


@pytest.mark.parametrize(
    ("values", "options", "best"),
    [
        ([0.2, 0.15, 0.1, 0.11, 0.12], {"patience": 2}, 2),
        ([0.9, 0.8, 0.7, 0.71, 0.72, 0.73], {"patience": 5, "baseline": 0.5}, 2),
        ([3.0, 2.0, 1.0], {"patience": 2}, 2),  # not stopped
        ([float("nan"), float("nan")], {"patience": 5}, 0),
    ],
)
def test_the_best_weights_come_back_bit_for_bit(values, options, best):
    model = regression()
    script, _ = scripted(EarlyStopping(restore_best_weights=True, **options), values, model=model)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), script.weights[best], strict=True))
    different = any(not np.array_equal(a, b) for a, b in zip(script.weights[0], script.weights[-1], strict=True))
    assert different or len(script.weights) == 1


def test_without_it_the_last_weights_stay():
    model = regression()
    script, _ = scripted(EarlyStopping(), [1.0, 2.0, 3.0], model=model)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), script.weights[1], strict=True))


def test_early_stopping_can_be_used_again():
    stop = EarlyStopping(patience=1, restore_best_weights=True)
    scripted(stop, [0.1, 0.2, 0.3])
    _, history = scripted(stop, [5.0, 4.0, 3.0, 3.5])
    assert history.epoch == [0, 1, 2, 3]


def test_verbose_says_what_is_done(capsys):
    scripted(EarlyStopping(verbose=1, restore_best_weights=True), [1.0, 2.0, 3.0])
    assert capsys.readouterr().out.splitlines() == [
        "epoch 2: early stopping",
        "restoring the weights of the best epoch, 1",
    ]


EACH_MONITOR = pytest.mark.parametrize(
    "make", [EarlyStopping, ReduceLROnPlateau, lambda m: ModelCheckpoint("x", m, save_best_only=True)]
)


@EACH_MONITOR
@pytest.mark.parametrize(
    ("monitor", "hint"),
    [
        ("profit", "unknown monitor 'profit'; known are gain, loss, val_gain, val_loss; .* needs mode='max' or mode="),
        ("val_gian", "unknown monitor 'val_gian'; did you mean 'val_gain'"),
        ("val_gain", "'val_gain' should go up or down does not follow from its name; pass mode="),
    ],
)
def test_a_direction_that_does_not_follow_is_asked_for(data, make, monitor, hint):
    def gain(y_true, y_pred):
        return y_true * y_pred

    model = regression(metrics=[gain])
    before = model.get_weights()
    with pytest.raises(ValueError, match=hint):
        model.fit(*data, callbacks=[make(monitor)], verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_an_unknown_mode_is_refused_and_a_missing_number_warned_of(data):
    with pytest.raises(ValueError, match="mode is 'auto', 'min' or 'max'; it is 'least'"):
        EarlyStopping(mode="least")
    with pytest.warns(UserWarning, match="the logs have no 'val_loss'; they have loss"):
        regression().fit(*data, callbacks=[EarlyStopping()], verbose=0)


# Learning rates


@pytest.mark.parametrize(
    "schedule", [lambda epoch, rate: rate / 2 if epoch else rate, lambda epoch: 0.5 ** (epoch + 1)]
)
def test_scheduled_rates_are_those_of_the_epochs(data, schedule):
    """By what the steps do: with SGD and one batch, the step is the rate times the gradient."""
    model, script = regression(gpubp.optimizers.SGD(0.5)), Script()
    history = model.fit(*data, epochs=3, callbacks=[LearningRateScheduler(schedule), script], verbose=0)
    assert script.rates == history.history["learning_rate"] == [0.5, 0.25, 0.125]
    other = regression()
    for epoch, rate in enumerate(script.rates):
        other.compile(gpubp.optimizers.SGD(rate), "mse")
        other.fit(*data, epochs=1, shuffle=False, batch_size=32, verbose=0)
        for a, b in zip(other.get_weights(), script.weights[epoch], strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("given", ["0.1", None, -1.0, float("nan"), True, [0.1]])
def test_a_schedule_gives_a_number(data, given):
    with pytest.raises(ValueError, match="a rate of at least 0"):
        regression().fit(*data, callbacks=[LearningRateScheduler(lambda epoch: given)], verbose=0)


@pytest.mark.parametrize("callback", [LearningRateScheduler(lambda epoch: 0.1), ReduceLROnPlateau("loss")])
def test_a_rate_that_is_a_schedule_is_not_changed(data, callback):
    model = regression(gpubp.optimizers.SGD(lambda step: 0.1))
    with pytest.raises(ValueError, match=f"{type(callback).__name__} changes the learning rate, but .* a schedule"):
        model.fit(*data, callbacks=[callback], verbose=0)


PLATEAUS = [
    # options, values, and the rates in the logs, which are those before the epoch's reduction
    ({"patience": 1}, [1, 2, 3, 0.5, 0.4], [1, 1, 0.1, 0.01, 0.01]),
    ({"patience": 2}, [1, 2, 3, 4, 5], [1, 1, 1, 0.1, 0.1]),
    ({"patience": 1, "cooldown": 2}, [1, 2, 2, 2, 2, 2], [1, 1, 0.1, 0.1, 0.01, 0.01]),
    ({"patience": 1, "factor": 0.5, "min_lr": 0.3}, [1, 1, 1, 1], [1, 1, 0.5, 0.3]),
    ({"patience": 1, "min_delta": 0.5}, [3, 2.9, 2.8, 2], [1, 1, 0.1, 0.01]),
    ({"patience": 1, "mode": "max"}, [1, 2, 1, 3], [1, 1, 1, 0.1]),
]


@pytest.mark.parametrize(("options", "values", "rates"), PLATEAUS)
def test_plateaus_reduce_the_rate_by_table(options, values, rates):
    model = regression(gpubp.optimizers.SGD(1.0))
    _, history = scripted(ReduceLROnPlateau(**options), values, model=model)
    assert history.history["learning_rate"] == pytest.approx(rates)


def test_a_factor_of_one_is_refused():
    with pytest.raises(ValueError, match="factor must be at least 0 and less than 1"):
        ReduceLROnPlateau(factor=1.0)


# What is not finite


@pytest.mark.parametrize("stream", [False, True])
def test_terminate_on_nan_ends_with_the_weights_of_before(data, stream, capsys):
    class Poison(Callback):
        """Puts weights in before the fifth step with which the loss overflows."""

        def on_train_batch_begin(self, batch, logs=None):
            if self.model.iterations == 4:
                self.model.set_weights([w + np.float32(1e30) for w in self.model.get_weights()])
                self.before = self.model.get_weights()

    x, y = data
    model, poison, ended = regression(metrics=["mae"]), Poison(), []
    given = {"x": Batches(x, y)} if stream else {"x": x, "y": y, "batch_size": 8}
    tell = LambdaCallback(on_train_end=ended.append)
    history = model.fit(**given, epochs=50, callbacks=[TerminateOnNaN(), poison, tell], verbose=0)
    assert [np.isfinite(loss) for loss in history.history["loss"]] == [True, False]
    assert np.isfinite(history.history["mae"]).all()
    assert len(ended) == 1
    assert model.iterations == 4
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), poison.before, strict=True))
    assert "training ends: training, epoch 2, step 2: the loss is not finite" in capsys.readouterr().out


@pytest.mark.parametrize("stream", [False, True])
def test_terminate_on_nan_in_the_first_step(data, stream):
    model = regression(metrics=["mae"])
    model.set_weights([w + np.float32(1e30) for w in model.get_weights()])
    given = {"x": Batches(*data)} if stream else {"x": data[0], "y": data[1], "batch_size": 8}
    history = model.fit(**given, epochs=3, callbacks=[TerminateOnNaN()], verbose=0)
    assert np.isnan(history.history["loss"]).tolist() == [True]
    assert model.iterations == 0


def test_terminate_on_nan_as_an_error(data):
    model, ended = regression(gpubp.optimizers.SGD(1e30)), []
    callbacks = [TerminateOnNaN(raise_error=True), LambdaCallback(on_train_end=ended.append)]
    with pytest.raises(RuntimeError, match="the loss is not finite"):
        model.fit(*data, epochs=9, callbacks=callbacks, verbose=0)
    assert ended == []
