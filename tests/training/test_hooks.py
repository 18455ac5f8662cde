"""When callbacks are called, and what they cost."""

import numpy as np
import pytest

import gpubp
from gpubp.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    History,
    LambdaCallback,
    LearningRateScheduler,
    ReduceLROnPlateau,
    TerminateOnNaN,
)
from gpubp.engine.executors.cpu import CPU
from tests.training.watching import Batches, regression

# When hooks are called


class Spy(Callback):
    """Notes all calls."""

    def __init__(self):
        super().__init__()
        self.calls = []


def noting(hook):
    def note(self, *arguments):
        *number, logs = arguments
        assert isinstance(logs, dict)
        self.calls.append((hook.removeprefix("on_"), *number))

    return note


for _hook in ("train", "test", "predict"):
    for _when in ("begin", "end"):
        for _name in (f"on_{_hook}_{_when}", f"on_{_hook}_batch_{_when}"):
            setattr(Spy, _name, noting(_name))
Spy.on_epoch_begin, Spy.on_epoch_end = noting("on_epoch_begin"), noting("on_epoch_end")


def evaluation(kind, batches=3):
    each = [(f"{kind}_batch_{when}", k) for k in range(batches) for when in ("begin", "end")]
    return [(f"{kind}_begin",), *each, (f"{kind}_end",)]


@pytest.mark.parametrize("stream", [False, True])
def test_hooks_come_in_kerass_order(data, stream):
    spy, model = Spy(), regression()
    given = {"x": Batches(*data)} if stream else {"x": data[0], "y": data[1], "batch_size": 8}
    held = Batches(*data) if stream else data
    model.fit(**given, validation_data=held, epochs=2, callbacks=[spy], verbose=0)
    train = [(f"train_batch_{when}", k) for k in range(3) for when in ("begin", "end")]
    epochs = [[("epoch_begin", e), *train, *evaluation("test"), ("epoch_end", e)] for e in range(2)]
    assert spy.calls == [("train_begin",), *epochs[0], *epochs[1], ("train_end",)]


@pytest.mark.parametrize("stream", [False, True])
def test_hooks_of_evaluate_and_predict(data, stream):
    model, spy = regression(), Spy()
    given = {"x": Batches(*data)} if stream else {"x": data[0], "y": data[1], "batch_size": 8}
    model.evaluate(**given, callbacks=[spy], verbose=0)
    assert spy.calls == evaluation("test")
    spy, outputs = Spy(), []
    keep = LambdaCallback(on_predict_batch_end=lambda batch, logs: outputs.append(logs["outputs"]))
    given.pop("y", None)
    predicted = model.predict(**given, callbacks=[spy, keep], verbose=0)
    assert spy.calls == evaluation("predict")
    assert [len(o) for o in outputs] == [8, 8, 4]
    assert np.array_equal(np.concatenate(outputs), predicted)


def test_logs_of_batches_are_means_so_far(data):
    seen = {"train": [], "test": []}
    model = regression(gpubp.optimizers.SGD(0.0))
    keep = LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen["train"].append(logs["loss"]),
        on_test_batch_end=lambda batch, logs: seen["test"].append(logs["loss"]),
    )
    model.fit(*data, batch_size=8, shuffle=False, callbacks=[keep], verbose=0)
    model.evaluate(*data, batch_size=8, callbacks=[keep], verbose=0)
    errors = (model.predict(data[0]) - data[1]) ** 2
    means = [errors[:n].mean() for n in (8, 16, 20)]
    assert seen["train"] == pytest.approx(means, rel=1e-5)
    assert seen["test"] == pytest.approx(means, rel=1e-5)


def test_aliases_of_the_hooks_of_batches_are_called(data):
    class Old(Callback):
        def on_batch_end(self, batch, logs=None):
            seen.append(batch)

    seen: list = []
    begun: list = []
    also = LambdaCallback(on_batch_begin=lambda batch, logs: begun.append(batch))
    regression().fit(*data, batch_size=8, callbacks=[Old(), also], verbose=0)
    assert seen == begun == [0, 1, 2]


def test_params_and_model_are_told(data):
    model, callback = regression(), Callback()
    model.fit(*data, batch_size=8, epochs=3, callbacks=callback, verbose=0)
    told = {name: callback.params[name] for name in ("epochs", "steps", "verbose", "rows", "batch_size")}
    assert told == {"epochs": 3, "steps": 3, "verbose": 0, "rows": 20, "batch_size": 8}
    assert callback.model is model


@pytest.mark.parametrize("given", [[EarlyStopping], ["early_stopping"], [None]])
def test_what_is_no_callback_is_refused(data, given):
    with pytest.raises(TypeError, match=r"instances of gpubp\.callbacks\.Callback"):
        regression().fit(*data, callbacks=given)


@pytest.mark.parametrize("stream", [False, True])
def test_stop_training_ends_after_the_batch(data, stream):
    def stop(batch, logs):
        model.stop_training = batch == 1

    model, spy = regression(), Spy()
    given = {"x": Batches(*data)} if stream else {"x": data[0], "y": data[1], "batch_size": 8}
    history = model.fit(**given, epochs=5, callbacks=[LambdaCallback(on_train_batch_end=stop), spy], verbose=0)
    assert model.iterations == 2
    assert history.epoch == [0]
    assert spy.calls[-2:] == [("epoch_end", 0), ("train_end",)]


def test_on_train_end_gets_the_logs_of_the_last_epoch(data):
    last = []
    history = regression().fit(
        *data, epochs=2, callbacks=[LambdaCallback(on_train_end=last.append)], validation_data=data, verbose=0
    )
    assert last == [{name: values[-1] for name, values in history.history.items()}]


# What they cost


@pytest.fixture
def calls(monkeypatch):
    """The steps of all compiled calls."""
    steps, run = [], CPU.run

    def counted(self, rows, n, parts=None):
        steps.append(n)
        return run(self, rows, n, parts)

    monkeypatch.setattr(CPU, "run", counted)
    return steps


FREE = {
    "none": lambda folder: [],
    "history": lambda folder: [History()],
    "stopping": lambda folder: [EarlyStopping("loss"), TerminateOnNaN()],
    "rates": lambda folder: [LearningRateScheduler(lambda epoch: 0.01), ReduceLROnPlateau("loss")],
    "files": lambda folder: [CSVLogger(folder / "log"), BackupAndRestore(folder / "backup")],
    "evaluation's": lambda folder: [LambdaCallback(on_test_batch_end=lambda batch, logs: None)],
}


@pytest.mark.parametrize("name", FREE)
def test_who_has_no_hooks_of_batches_costs_no_calls(tmp_path, calls, name):
    """2,000 steps of 2 rows; chunks grow by at most four at a time."""
    x = np.ones((4000, 2), np.float32)
    regression().fit(x, x[:, :1], batch_size=2, callbacks=FREE[name](tmp_path), verbose=0)
    assert sum(calls) == 2000
    assert len(calls) < 50


def test_hooks_of_batches_make_each_a_call_and_every_nth_one_in_n(calls, tmp_path):
    x = np.ones((400, 2), np.float32)
    model = regression()
    model.fit(x, x[:, :1], batch_size=2, callbacks=[LambdaCallback(on_batch_end=lambda batch, logs: None)], verbose=0)
    assert calls == [1] * 200
    calls.clear()
    model._runners[next(iter(model._runners))][0].steps = 1 << 20
    model.fit(x, x[:, :1], batch_size=2, callbacks=[BackupAndRestore(tmp_path, 60)], verbose=0)
    assert calls == [60, 60, 60, 20]
