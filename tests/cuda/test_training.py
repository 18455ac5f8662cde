"""Models trained on the emulated device: as on the CPU, whatever the model, and in graphs as step by step."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

import gpubp
from gpubp.backend import choice
from gpubp.engine.executors import cuda
from gpubp.layers import Activation, Dense, Dropout

from .emulation.device import EmulatedDevice

RNG = np.random.default_rng(0)
ROWS = 70
X, LABELS = RNG.standard_normal((ROWS, 12)).astype(np.float32), RNG.integers(0, 5, ROWS)
TARGETS = RNG.standard_normal((ROWS, 3)).astype(np.float32)


def classifier(hidden="relu", optimizer="adam", dropout=0.0, classes=5, dtype=np.float32):
    layers = [gpubp.Input((12,)), Dense(33, hidden), Dropout(dropout), Dense(classes), Activation("softmax")]
    model = gpubp.Sequential(layers)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def regressor(loss="mse"):
    model = gpubp.Sequential([gpubp.Input((12,)), Dense(20, "tanh"), Dense(17, "gelu"), Dense(3)])
    model.compile("sgd", loss, metrics=["mae"])
    return model


def matrices():
    model = gpubp.Sequential([gpubp.Input((12,)), Dense(9, "relu"), Dense(6), gpubp.layers.Reshape((2, 3))])
    model.compile("sgd", "mse")
    return model


CASES = {
    "relu, Adam": (classifier, LABELS),
    "dropout": (lambda: classifier(dropout=0.3), LABELS),
    "tanh, momentum": (lambda: classifier("tanh", gpubp.optimizers.SGD(0.05, momentum=0.9, nesterov=True)), LABELS),
    "sigmoid, RMSprop": (lambda: classifier("sigmoid", "rmsprop"), LABELS),
    "clipping": (lambda: classifier(optimizer=gpubp.optimizers.Adam(global_clipnorm=0.1)), LABELS),
    "wide output": (lambda: classifier(classes=300), LABELS),
    "regression": (regressor, TARGETS),
    "Huber": (lambda: regressor("huber"), TARGETS),
    "matrices": (matrices, TARGETS[:, None] * np.arange(1, 3, dtype=np.float32)[:, None]),
}


def fitted(make, targets, epochs=2, batch_size=16, x=X, **options):
    gpubp.set_random_seed(3)
    model = make()
    history = model.fit(x, targets, epochs=epochs, batch_size=batch_size, verbose=0, **options)
    return model, history.history


def distance(model, other):
    a, b = (np.concatenate([w.ravel() for w in m.get_weights()]).astype(np.float64) for m in (model, other))
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize("name", CASES)
def test_training_agrees_with_the_cpu(gpu, name):
    assert_agrees_with_the_cpu(name)
    assert any(asked[0] == "replay" for asked in gpu.record)


def assert_agrees_with_the_cpu(name):
    """Weights, history, evaluation and predictions of the current device."""
    model, history = fitted(*CASES[name])
    found = model.evaluate(X, CASES[name][1], return_dict=True), model.predict(X, batch_size=32)
    with gpubp.device("cpu"):
        expected, expected_history = fitted(*CASES[name])
        wanted = expected.evaluate(X, CASES[name][1], return_dict=True), expected.predict(X, batch_size=32)
    assert distance(model, expected) < 1e-5
    for key, values in expected_history.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-4, err_msg=key)
    np.testing.assert_allclose(list(found[0].values()), list(wanted[0].values()), rtol=1e-4)
    np.testing.assert_allclose(found[1], wanted[1], rtol=1e-3, atol=1e-5)


def on(device, monkeypatch, *arguments, **options):
    monkeypatch.setitem(choice._known, device.name, device)
    with choice.device(device.name):
        return fitted(*arguments, **options)


def test_bits_depend_neither_on_the_order_of_threads_nor_on_graphs(monkeypatch):
    make = lambda: classifier(dropout=0.3)  # noqa: E731
    first, _ = on(EmulatedDevice(), monkeypatch, make, LABELS)
    for order in (1, 5):
        other, _ = on(EmulatedDevice(order), monkeypatch, make, LABELS)
        assert distance(other, first) == 0
    for steps in (1, 3):
        monkeypatch.setattr(cuda, "graph_size", lambda *measured, steps=steps: steps)
        other, _ = on(EmulatedDevice(), monkeypatch, make, LABELS)
        assert distance(other, first) == 0


def test_a_graph_neither_allocates_nor_waits_nor_copies_from_the_host(gpu):
    fitted(*CASES["dropout"], epochs=3, batch_size=4)
    inside, captures = None, 0
    for kind, *_ in gpu.record:
        if kind == "capture":
            inside, captures = Counter(), captures + 1
        elif kind == "captured":
            assert set(inside) <= {"launch", "gemm", "branch", "join"}
            assert inside["gemm"] >= 5
            inside = None
        elif inside is not None:
            inside[kind] += 1
    assert captures >= 2  # of one step and of many


def test_nothing_waits_for_the_device_but_who_reads(gpu, monkeypatch):
    """A call of many steps copies a few words to the device before it, and reads how far it came after it."""
    monkeypatch.setattr(cuda, "graph_size", lambda *measured: 4)
    model, _ = fitted(*CASES["relu, Adam"], epochs=1, batch_size=2)
    (runner,) = next(r for key, r in model._runners.items() if key[0] == "train")
    runner.bind({"x": X, "y": LABELS, "order": np.arange(ROWS)} if "x" in runner.program.segments else {})
    runner.executor.run(2, 9)
    gpu.record.clear()
    runner.executor.run(2, 8)
    kinds = Counter(kind for kind, *_ in gpu.record)
    assert kinds["download"] == kinds["synchronise"] == 1
    assert kinds["alloc"] == 0
    assert kinds["upload"] == 0
    assert kinds["replay"] == 2


def test_wrong_labels_stop_before_the_update(gpu):
    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    before, steps = model.get_weights(), model.iterations
    wrong = LABELS.copy()
    wrong[:] = 9
    with pytest.raises(ValueError, match=r"label 9 is not in 0\.\.4"):
        model.fit(X, wrong, epochs=1, batch_size=16, verbose=0)
    assert model.iterations == steps
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.array_equal(old, new)


def test_a_loss_that_overflows_stops_where_it_stops_the_cpu(gpu):
    x = X.copy()
    x[40] = 3e38

    def run():
        gpubp.set_random_seed(3)
        model = classifier()
        with pytest.raises(FloatingPointError) as caught:
            model.fit(x, LABELS, epochs=1, batch_size=4, verbose=0)
        return model, str(caught.value)

    model, message = run()
    with gpubp.device("cpu"):
        expected, wanted = run()
    assert message == wanted
    assert model.iterations == expected.iterations
    assert distance(model, expected) < 1e-5
    for one in (model, expected):  # go on as if nothing had been
        with gpubp.device(gpu.name if one is model else "cpu"):
            one.fit(X, LABELS, epochs=1, batch_size=4, verbose=0)
    assert distance(model, expected) < 1e-5


def test_threads_read_at_once(gpu, monkeypatch):
    """What one asks for never comes into the graph that another captures."""
    slow = EmulatedDevice.capture

    @contextmanager
    def capture(self):
        with slow(self) as graph:
            time.sleep(0.02)
            yield graph
            time.sleep(0.02)

    def predicted(size):
        with gpubp.device(gpu.name):
            return again.predict(X, batch_size=size)

    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    again, _ = fitted(*CASES["relu, Adam"], epochs=1)
    expected = [model.predict(X, batch_size=size) for size in (4, 5, 6)]
    monkeypatch.setattr(EmulatedDevice, "capture", capture)
    with ThreadPoolExecutor(3) as threads:
        found = list(threads.map(predicted, (4, 5, 6)))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_weights_move_with_the_device(gpu):
    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    there = model.predict(X)
    with gpubp.device("cpu"):
        here = model.predict(X)
        model.fit(X, LABELS, epochs=1, verbose=0)
    np.testing.assert_allclose(here, there, rtol=1e-4, atol=1e-6)
    with gpubp.device("cpu"):
        expected, _ = fitted(*CASES["relu, Adam"], epochs=1)
        expected.fit(X, LABELS, epochs=1, verbose=0)
    assert distance(model, expected) < 1e-5


def test_the_reference_runs_beside_the_device(gpu):
    gpubp.set_random_seed(3)
    model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(X, LABELS, epochs=1, batch_size=16, verbose=0)
    expected, _ = fitted(lambda: classifier(), LABELS, epochs=1)
    assert distance(model, expected) < 1e-5


def test_gradients_of_functions(gpu):
    loss = lambda w, x: gpubp.ops.sum(gpubp.ops.square(x @ w))  # noqa: E731
    value, gradient = gpubp.value_and_grad(loss)(np.array([[1.0], [2.0]]), np.array([[3.0, 4.0]]))
    assert float(value) == 121.0
    assert gradient.ravel().tolist() == [66.0, 88.0]


def test_explain_measures_what_it_runs(gpu):
    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    assert "matmul" in str(model.explain(16, analyze=True))
