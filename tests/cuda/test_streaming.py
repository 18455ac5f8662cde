"""Data that do not fit on the device: the same to the bit as where they fit, and uploaded beside what is computed."""

import threading
from concurrent.futures import Future

import numpy as np
import pytest
import scipy.sparse

import gpubp
from gpubp.backend import choice
from gpubp.engine.executors.capacity import TooLargeError
from gpubp.layers import Dense
from gpubp.training import blocks, conveyor, feeds, packing
from gpubp.training.conveyor import Conveyor

from .emulation.device import EmulatedDevice
from .test_training import classifier, distance, regressor

RNG = np.random.default_rng(1)
ROWS = 700
X, LABELS = RNG.standard_normal((ROWS, 12)).astype(np.float32), RNG.integers(0, 5, ROWS)
BYTES = RNG.integers(0, 256, (ROWS, 12), np.uint8)
SPARSE = scipy.sparse.random(ROWS, 12, 0.3, "csr", np.float32, random_state=2)
TARGETS = RNG.standard_normal((ROWS, 3)).astype(np.float32)
WEIGHTS = RNG.random(ROWS).astype(np.float32)


@pytest.fixture
def streaming(monkeypatch):
    """Devices on which no array of a call fits by itself, and blocks are of some batches."""
    monkeypatch.setattr(blocks, "BLOCK", 5000)
    monkeypatch.setattr(feeds, "SHARE", 0)
    return monkeypatch


def two_inputs():
    a, b = gpubp.Input((12,), name="a"), gpubp.Input((12,), name="b")
    joined = gpubp.layers.concatenate([Dense(9, "relu")(a), Dense(7, "relu")(b)])
    model = gpubp.Model([a, b], {"c": Dense(5, name="c")(joined), "t": Dense(2, name="t")(joined)})
    model.compile("adam", {"c": gpubp.losses.SparseCategoricalCrossentropy(from_logits=True), "t": "mse"})
    return model


def minimised():
    model = classifier()
    model.compile(gpubp.optimizers.LBFGS(), "sparse_categorical_crossentropy")
    return model


def accumulating():
    return classifier(optimizer=gpubp.optimizers.Adam(gradient_accumulation_steps=3))


TWO = {"a": X, "b": BYTES}, {"c": LABELS, "t": RNG.standard_normal((ROWS, 2))}
CASES = {
    "float32": (classifier, X, LABELS, {}),
    "dropout": (lambda: classifier(dropout=0.3), X, LABELS, {}),
    "regression": (regressor, X, TARGETS, {}),
    "uint8": (classifier, BYTES, LABELS.astype(np.uint8), {}),
    "float64 by columns": (classifier, np.asfortranarray(X.astype(np.float64)), LABELS, {}),
    "sparse": (classifier, SPARSE, LABELS, {}),
    "weights": (classifier, X, LABELS, {"sample_weight": WEIGHTS}),
    "several inputs and outputs": (two_inputs, *TWO, {}),
    "in order": (classifier, X, LABELS, {"shuffle": False}),
    "accumulated gradients": (accumulating, X, LABELS, {}),
    "some steps of an epoch": (classifier, X, LABELS, {"steps_per_epoch": 23}),
    "validation": (classifier, X, LABELS, {"validation_split": 0.4}),
    "L-BFGS": (minimised, X, LABELS, {}),
}


def run(device, monkeypatch, make, x, y, options):
    """A model trained on a device, its history, and what it makes of the data."""
    monkeypatch.setitem(choice._known, device.name, device)
    with choice.device(device.name):
        gpubp.set_random_seed(3)
        model = make()
        history = model.fit(x, y, epochs=2, batch_size=16, verbose=0, **options).history
        return model, history, model.evaluate(x, y, batch_size=32), model.predict(x, batch_size=32)


def arrays(predicted):
    return list(predicted.values()) if isinstance(predicted, dict) else [predicted]


def sent(device) -> int:
    return sum(asked[0] == "send" for asked in device.record)


@pytest.fixture(scope="module")
def resident():
    """Each case where all fits, run once."""
    known: dict = {}

    def of(name):
        if name not in known:
            with pytest.MonkeyPatch.context() as monkeypatch:
                monkeypatch.setattr(feeds, "SHARE", 0.8)
                device = EmulatedDevice()
                known[name] = run(device, monkeypatch, *CASES[name])
                assert sent(device) == 0
        return known[name]

    return of


@pytest.mark.parametrize("prompt", [False, True], ids=["late copies", "early copies"])
@pytest.mark.parametrize("name", CASES)
def test_all_is_the_same_to_the_bit(streaming, resident, name, prompt):
    model, history, scores, predicted = resident(name)
    device = EmulatedDevice(prompt=prompt)
    found = run(device, streaming, *CASES[name])
    assert distance(found[0], model) == 0
    assert found[1:3] == (history, scores)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(found[3]), arrays(predicted), strict=True))
    assert sent(device) > 3


def test_what_does_not_fit_is_streamed_by_itself(monkeypatch, resident):
    device = EmulatedDevice(capacity=60_000)
    model, *_ = run(device, monkeypatch, *CASES["float32"])
    assert sent(device) > 2
    assert distance(model, resident("float32")[0]) == 0


def test_arrays_on_a_disk_and_on_the_device(streaming, resident, tmp_path):
    device, (make, _, _, options) = EmulatedDevice(), CASES["float32"]
    np.save(tmp_path / "x.npy", X)
    found = run(device, streaming, make, np.load(tmp_path / "x.npy", mmap_mode="r"), device.upload(LABELS), options)
    assert distance(found[0], resident("float32")[0]) == 0
    assert np.array_equal(found[3], resident("float32")[3])
    assert sent(device) > 3


def test_outputs_that_do_not_fit_come_in_parts(monkeypatch):
    device = EmulatedDevice(capacity=3_000_000)
    monkeypatch.setitem(choice._known, device.name, device)
    x = RNG.standard_normal((3000, 2)).astype(np.float32)
    parts = []
    watch = gpubp.callbacks.LambdaCallback(on_predict_batch_end=lambda batch, logs: parts.append(logs["outputs"]))
    with choice.device(device.name):
        model = gpubp.Sequential([gpubp.Input((2,)), Dense(500)])
        found = model.predict(x, batch_size=64, callbacks=[watch])
    assert sent(device) > 3
    assert np.array_equal(np.concatenate(parts), found)
    with gpubp.device("cpu"):
        np.testing.assert_allclose(found, model.predict(x), rtol=1e-4, atol=1e-5)


class AtOnce:
    """Threads that are done with a task before they could be asked for another."""

    def __init__(self, *arguments):
        pass

    def submit(self, function, *arguments):
        found = Future()
        found.set_result(function(*arguments))
        return found

    def shutdown(self, cancel_futures):
        pass


def one_place(made):
    """On the device, for all blocks."""

    def init(self, *arguments):
        made(self, *arguments)
        self.there = self.there[:1] * 2

    return init


MISTAKES = {
    "the program does not wait": (EmulatedDevice, "follow", lambda self, sent: None, False),
    "a place of the host is filled too early": (Conveyor, "_wait", lambda self, sent: None, False),
    "a place of the device is filled too early": (Conveyor, "__init__", one_place(Conveyor.__init__), True),
}


@pytest.mark.parametrize("name", [None, *MISTAKES])
def test_mistakes_are_caught(streaming, resident, name):
    owner, attribute, wrong, prompt = MISTAKES.get(name, (Conveyor, "_wait", Conveyor._wait, False))
    streaming.setattr(owner, attribute, wrong)
    streaming.setattr(conveyor, "ThreadPoolExecutor", AtOnce)
    make, x, y, options = CASES["regression"]
    found = run(EmulatedDevice(prompt=prompt), streaming, make, x, y, options)
    assert (distance(found[0], resident("regression")[0]) > 0) == (name in MISTAKES)


KINDS = {"send", "follow", "launch", "gemm", "replay"}


def test_blocks_are_copied_beside_what_is_computed(gpu, streaming):
    """The next block is sent before anything works on this one, and what works on it waits for its own copy alone."""
    model = classifier()
    model.fit(X, LABELS, batch_size=16, verbose=0)
    first = sent(gpu) + 1
    gpu.record.clear()
    model.fit(X, LABELS, batch_size=16, verbose=0)
    last = first + sent(gpu) - 1
    kinds = {"send": "send", "follow": "follow", "launch": "work", "replay": "work"}
    asked = [
        (kinds[kind], *(number if kind in ("send", "follow") else ())) for kind, *number in gpu.record if kind in kinds
    ]
    asked = [what for k, what in enumerate(asked) if what != asked[k - 1]]
    wanted = [("send", first)]
    for k in range(first, last):
        wanted += [("send", k + 1), ("follow", k), ("work",)]
    assert last - first > 5
    assert asked[asked.index(wanted[0]) :] == [*wanted, ("follow", last), ("work",)]


def test_bytes_stay_bytes(gpu, streaming):
    classifier().fit(BYTES, LABELS.astype(np.uint8), batch_size=16, verbose=0)
    assert sent(gpu) == -(-ROWS * (12 + 1) // blocks.BLOCK)


def test_training_that_stops_leaves_no_copy_behind(streaming):
    class Stop(gpubp.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    device = EmulatedDevice()
    run(device, streaming, *CASES["float32"][:3], {"callbacks": [Stop()]})
    assert device.on_its_way == []


def test_gathering_that_fails_at_its_beginning_leaves_no_thread_behind(streaming, gpu):
    laid_out = packing.Packing.layout

    def layout(self, part):
        if part[0] > 0:
            raise OSError("the second block can't be read")
        return laid_out(self, part)

    streaming.setattr(packing.Packing, "layout", layout)
    with pytest.raises(OSError, match="second block") as caught:  # which holds all that took part
        classifier().fit(SPARSE, LABELS, 128, shuffle=False, verbose=0)
    assert [t.name for t in threading.enumerate() if t.name.startswith("gpubp-gather")] == []
    del caught


def test_a_step_that_fails_stops_where_it_would(streaming, gpu):
    x = X.copy()
    x[555] = 3e38
    gpubp.set_random_seed(3)
    model = classifier()
    with pytest.raises(FloatingPointError, match="epoch 1, step 35: the loss is not finite"):
        model.fit(x, LABELS, batch_size=16, shuffle=False, verbose=0)
    assert model.iterations == 34
    assert gpu.on_its_way == []
    model.fit(X, LABELS, batch_size=16, verbose=0)


def test_a_batch_that_does_not_fit_names_one_that_would_and_what_only_reads_takes_it(streaming):
    device = EmulatedDevice(capacity=8_000_000)
    streaming.setitem(choice._known, device.name, device)
    x, y = np.zeros((3000, 400)), np.zeros(3000)
    with choice.device(device.name):
        model = gpubp.Sequential([gpubp.Input((400,)), Dense(1)])
        model.compile("sgd", "mse")
        with pytest.raises(TooLargeError, match=r"streaming them takes two batches of 1400 rows") as caught:
            model.fit(x, y, batch_size=1400, verbose=0)
        fitting = caught.value.fitting
        assert 10 < fitting < 1400
        del caught
        model.fit(x, y, batch_size=fitting // 4, verbose=0)
        x = RNG.standard_normal((3000, 400))
        predicted, score = model.predict(x, batch_size=2900), model.evaluate(x, y, batch_size=3000)
    with gpubp.device("cpu"):
        np.testing.assert_allclose(predicted, model.predict(x), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(score, model.evaluate(x, y), rtol=1e-4)
