"""Arrays that lie on the device already: read in place, and to the same end as those of the host."""

from functools import partial

import numpy as np
import pytest

import gpubp
from gpubp.backend import choice

from .emulation.device import EmulatedDevice
from .test_training import CASES, LABELS, TARGETS, X, classifier, distance, fitted, regressor


def uploads(device) -> list[int]:
    return [asked[1] for asked in device.record if asked[0] == "upload"]


@pytest.mark.parametrize("name", ["relu, Adam", "dropout", "regression"])
def test_training_is_the_same_to_the_bit(gpu, name):
    make, targets = CASES[name]
    expected, wanted = fitted(make, targets)
    gpubp.set_random_seed(3)
    model = make()
    x, y = gpu.upload(X), gpu.upload(targets)
    gpu.record.clear()
    history = model.fit(x, y, epochs=2, batch_size=16, verbose=0)
    assert distance(model, expected) == 0
    assert history.history == wanted
    assert [n for n in uploads(gpu) if n >= targets.nbytes and n != 8 * len(X)] == []


def test_what_reads_takes_them_in_place_and_gives_numpy(gpu):
    model, _ = fitted(classifier, LABELS, epochs=1)
    expected, scores = model.predict(X, batch_size=32), model.evaluate(X, LABELS)
    x, y = gpu.upload(X), gpu.upload(LABELS)
    gpu.record.clear()
    found = model.predict(x, batch_size=32)
    assert type(found) is np.ndarray
    assert np.array_equal(found, expected)
    assert model.evaluate(x, y) == scores
    assert [n for n in uploads(gpu) if n >= X.nbytes] == []


def test_parts_of_them_are_arrays_of_the_device_as_well(gpu):
    expected, wanted = fitted(classifier, LABELS, validation_split=0.3)
    gpubp.set_random_seed(3)
    model = classifier()
    found = model.fit(gpu.upload(X), gpu.upload(LABELS), epochs=2, batch_size=16, validation_split=0.3, verbose=0)
    assert distance(model, expected) == 0
    assert found.history == wanted


def test_rows_that_are_apart_are_brought_together(gpu):
    model, _ = fitted(classifier, LABELS, epochs=1)
    assert np.array_equal(model.predict(gpu.upload(X)[::2]), model.predict(X[::2]))


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
@pytest.mark.parametrize("before", [0, 1, 4])
def test_rows_may_begin_anywhere(gpu, dtype, before):
    """Also where several elements can't be read together."""
    numbers = (8 * X).astype(dtype)
    expected, _ = fitted(classifier, LABELS, x=numbers)
    there = gpu.upload(np.concatenate([np.zeros(before, dtype), numbers.ravel()]))[before:].reshape(numbers.shape)
    assert gpu.address(there) % 16 == before * there.dtype.itemsize % 16
    found, _ = fitted(classifier, LABELS, x=there)
    assert distance(found, expected) == 0


@pytest.mark.parametrize(
    "options",
    [{"class_weight": {0: 2.0, 3: 0.5}}, {"sample_weight": np.linspace(0, 1, len(X)).astype(np.float32)}],
    ids=["of classes", "of rows"],
)
def test_weights(gpu, options):
    expected, _ = fitted(classifier, LABELS, **options)
    gpubp.set_random_seed(3)
    model = classifier()
    there = {k: gpu.upload(w) if isinstance(w, np.ndarray) else w for k, w in options.items()}
    model.fit(gpu.upload(X), gpu.upload(LABELS), epochs=2, batch_size=16, verbose=0, **there)
    assert distance(model, expected) == 0


def test_metrics_of_the_host(gpu):
    gpubp.set_random_seed(3)
    model = gpubp.Sequential([gpubp.Input((12,)), gpubp.layers.Dense(1, "sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=[gpubp.metrics.AUC(exact=True)])
    y = (LABELS > 2).astype(np.float32)
    assert model.evaluate(gpu.upload(X), gpu.upload(y)) == model.evaluate(X, y)


def test_half_precision_is_widened(gpu):
    model, _ = fitted(classifier, LABELS, epochs=1)
    x = X.astype(np.float16)
    assert np.array_equal(model.predict(gpu.upload(x)), model.predict(x))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (X[:, :5], ValueError, r"x must have shape \(rows, 12\); its shape is \(70, 5\)"),
        (X.astype(np.complex64), TypeError, "x must hold numbers; its dtype is complex64"),
        (X[:0], ValueError, "x must have rows"),
    ],
    ids=["columns", "dtype", "no rows"],
)
def test_what_does_not_fit_is_refused(gpu, x, error, message):
    with pytest.raises(error, match=message):
        classifier().fit(gpu.upload(x), LABELS, verbose=0)


def test_numbers_of_rows_that_differ_are_refused(gpu):
    with pytest.raises(ValueError, match="x has 70 rows and y has 60 rows"):
        classifier().fit(gpu.upload(X), LABELS[:60], verbose=0)


def test_labels_out_of_range_stop_the_step(gpu):
    model, wrong = classifier(), LABELS.copy()
    wrong[7] = 9
    before = model.get_weights()
    with pytest.raises(ValueError, match="9"):
        model.fit(gpu.upload(X), gpu.upload(wrong), shuffle=False, batch_size=70, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_the_cpu_takes_a_copy(gpu):
    model, _ = fitted(regressor, TARGETS, epochs=1)
    x = gpu.upload(X)
    with gpubp.device("cpu"):
        assert np.array_equal(model.predict(x), model.predict(X))


@pytest.mark.parametrize("mode", ["predict", "evaluate"])
def test_what_only_reads_splits_batches_that_do_not_fit(monkeypatch, mode):
    x, labels = np.tile(X, (40, 1)), np.tile(LABELS, 40)
    gpubp.set_random_seed(3)
    model = classifier()
    with gpubp.device("cpu"):
        expected = model.predict(x) if mode == "predict" else model.evaluate(x, labels)
    device = EmulatedDevice(capacity=430_000)
    monkeypatch.setitem(choice._known, device.name, device)
    with choice.device(device.name):
        read = model.predict if mode == "predict" else partial(model.evaluate, y=labels)
        found = read(x, batch_size=2800)
        sizes = [runner.batch_size for key, idle in model._runners.items() if key[0] == mode for runner in idle]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert len(sizes) == 1
    assert 100 < sizes[0] < 2800


def adapted(data):
    layer = gpubp.layers.Normalization()
    layer.adapt(data)
    return layer.mean.numpy(), layer.variance.numpy()


def weights_set(x):
    model = classifier()
    model.set_weights([w if w.shape != (12, 33) else x[:12] for w in model.get_weights()])
    return model.get_weights()[0]


def assigned(x):
    variable = gpubp.Variable(np.zeros(x.shape, np.float32))
    return variable.assign(x).numpy()


ON_THE_HOST = {
    "Normalization.adapt": adapted,
    "Normalization.adapt, batches": lambda x: adapted(iter([x[:5], x[5:]])),
    "Normalization.adapt, pairs": lambda x: adapted([(x, None)]),
    "an op": gpubp.ops.exp,
    "an op with a number": lambda x: gpubp.ops.add(2.0, x),
    "a layer": gpubp.layers.Activation("softmax"),
    "a loss": lambda x: gpubp.losses.MeanSquaredError()(x, x[::-1]),
    "a metric": lambda x: gpubp.metrics.MeanAbsoluteError()(x, x[::-1]),
    "a compiled function": gpubp.compile(lambda x: gpubp.ops.sum(x * x)),
    "a gradient": gpubp.grad(lambda x: gpubp.ops.sum(x * x)),
    "set_weights": weights_set,
    "Variable.assign": assigned,
}


@pytest.mark.parametrize("name", ON_THE_HOST)
def test_what_computes_on_the_host_copies_them_down(gpu, name):
    x = np.random.default_rng(0).standard_normal((70, 33)).astype(np.float32)
    found, wanted = ON_THE_HOST[name](gpu.upload(x)), ON_THE_HOST[name](x)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))


def test_adapting_copies_a_chunk_at_a_time(gpu, monkeypatch):
    monkeypatch.setattr("gpubp.layers.preprocessing.CHUNK", 120)
    lengths, get = [], type(gpu.upload(X)).get
    monkeypatch.setattr("tests.cuda.emulation.device.Array.get", lambda self: lengths.append(len(self)) or get(self))
    mean, _ = adapted(gpu.upload(X))
    np.testing.assert_allclose(mean, X.mean(axis=0, dtype=np.float64), rtol=1e-6)
    assert max(lengths) == 10
