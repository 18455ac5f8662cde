"""Training: what a step means, that it repeats, and how it stops."""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import gpubp
from gpubp.layers import Activation, Dense, Dropout
from gpubp.training.callbacks import Callback
from tests.training.watching import Batches


def classifier(seed=0, dropout=0.0, optimizer="adam", hidden=16, run_eagerly=False, classes=3):
    gpubp.set_random_seed(seed)
    layers = [gpubp.Input((8,)), Dense(hidden, "relu", name="hidden"), Dropout(dropout), Dense(classes, name="logits")]
    model = gpubp.Sequential([*layers, Activation("softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=run_eagerly)
    return model


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((50, 8)).astype(np.float32), rng.integers(0, 3, 50)


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def distance(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


def fitted(data, epochs=3, batch_size=16, **options):
    model = classifier(**options)
    history = model.fit(*data, epochs=epochs, batch_size=batch_size, verbose=0)
    return model, history


def test_same_seed_same_bits_twice(data):
    (a, ha), (b, hb) = fitted(data, dropout=0.3), fitted(data, dropout=0.3)
    assert np.array_equal(weights(a), weights(b))
    assert ha.history == hb.history
    assert np.array_equal(a.predict(data[0]), b.predict(data[0]))


SCRIPT = """
import numpy as np, gpubp
from gpubp.layers import Dense, Dropout
gpubp.set_random_seed(7)
rng = np.random.default_rng(0)
x, y = rng.standard_normal((50, 8)).astype("float32"), rng.integers(0, 3, 50)
model = gpubp.Sequential([Dense(16, "tanh"), Dropout(0.2), Dense(3, "softmax")])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=3, batch_size=16, verbose=0)
print(np.concatenate([w.ravel() for w in model.get_weights()]).tobytes().hex())
"""


def test_another_process_gives_the_same_bits():
    """Under other hash seeds, too: nothing may depend on the order of a set."""
    runs = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2)
    ]
    assert len(runs[0]) > 100
    assert runs[0] == runs[1]


def test_another_seed_gives_other_weights_batches_and_masks(data):
    a, b = fitted(data, seed=0)[0], fitted(data, seed=1)[0]
    assert distance(weights(a), weights(b)) > 0.1


@pytest.mark.parametrize("batch_size", [1, 7, 16, 50, 64])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_cpu_executor_agrees_with_the_reference(data, batch_size, dropout):
    """Batches and masks are equal, so ten steps and more stay close: ten times the bound of one step."""
    options = {"batch_size": batch_size, "dropout": dropout, "epochs": 1, "optimizer": "sgd"}
    (a, ha), (b, hb) = fitted(data, **options), fitted(data, run_eagerly=True, **options)
    assert distance(weights(a), weights(b)) < 1e-4
    assert ha.history["loss"] == pytest.approx(hb.history["loss"], rel=1e-4)
    assert ha.history["accuracy"] == pytest.approx(hb.history["accuracy"], abs=1e-9)


def softmax_loss(w, b, x, y):
    z = x @ w + b
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p, -np.log(p[np.arange(len(y)), y])


def test_a_short_last_batch_is_the_mean_over_its_own_rows_and_epoch_means_weigh_by_rows(data):
    """Against plain NumPy: softmax regression by gradient descent, batches of 16, the last of 2 rows."""
    x, y = data[0].astype(np.float64), data[1]
    gpubp.set_random_seed(3)
    model = gpubp.Sequential([gpubp.Input((8,)), Dense(3, "softmax")])
    model.compile(gpubp.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"])
    w, b = (v.astype(np.float64) for v in model.get_weights())
    losses, hits = [], []
    for start in range(0, 50, 16):
        rows, labels = x[start : start + 16], y[start : start + 16]
        p, loss = softmax_loss(w, b, rows, labels)
        losses, hits = [*losses, *loss], [*hits, *(p.argmax(1) == labels)]
        d = (p - np.eye(3)[labels]) / len(rows)
        w, b = w - 0.5 * rows.T @ d, b - 0.5 * d.sum(0)
    history = model.fit(*data, batch_size=16, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx([np.mean(losses)], rel=1e-6)
    assert history["accuracy"] == pytest.approx([np.mean(hits)])
    np.testing.assert_allclose(model.get_weights()[0], w, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.get_weights()[1], b, rtol=1e-5, atol=1e-6)
    p, loss = softmax_loss(w, b, x, y)
    assert model.evaluate(*data, batch_size=7) == pytest.approx([loss.mean(), (p.argmax(1) == y).mean()], rel=1e-5)
    np.testing.assert_allclose(model.predict(x, batch_size=7), p, rtol=1e-5, atol=1e-6)


def test_fitting_twice_equals_fitting_longer(data):
    one, two = classifier(dropout=0.2), classifier(dropout=0.2)
    one.fit(*data, epochs=4, verbose=0)
    two.fit(*data, epochs=2, verbose=0)
    two.fit(*data, epochs=4, initial_epoch=2, verbose=0)
    assert np.array_equal(weights(one), weights(two))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_goes_on_as_the_original_does(data, copied):
    model = classifier()
    model.fit(*data, epochs=1, verbose=0)
    twin = copied(model)
    before = weights(twin)
    model.fit(*data, epochs=1, verbose=0)
    assert np.array_equal(weights(twin), before)
    twin.fit(*data, epochs=1, verbose=0)
    assert np.array_equal(weights(twin), weights(model))


def test_dtypes_of_data_do_not_change_the_result(data):
    x = np.round(data[0] * 4).clip(0)
    wanted = fitted((x, data[1]))[0]
    for dtype in (np.uint8, np.int32, np.float64, np.float32):
        assert np.array_equal(weights(fitted((x.astype(dtype), data[1].astype(np.int16)))[0]), weights(wanted))


def test_a_frozen_layer_keeps_its_weights(data):
    model = classifier()
    model.fit(*data, verbose=0)
    model.get_layer("hidden").trainable = False
    before = model.get_weights()
    model.fit(*data, verbose=0)
    after = model.get_weights()
    assert np.array_equal(before[0], after[0])
    assert not np.array_equal(before[2], after[2])


def test_nothing_to_train_is_warned_of(data):
    model = classifier()
    model.get_layer("hidden").trainable = model.get_layer("logits").trainable = False
    before = model.get_weights()
    with pytest.warns(UserWarning, match="no weights to train, since 'hidden', 'logits' are frozen") as caught:
        model.fit(*data, verbose=0)
    assert [w.filename for w in caught] == [__file__]
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


def test_a_layer_that_trains_is_enough(data):
    model = classifier()
    model.get_layer("hidden").trainable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(*data, verbose=0)


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_variable_of_ones_own_counts_as_it_is_now(data, run_eagerly):
    """It belongs to no model; in losses and layers its value is that of the moment, not of the first step."""
    factor = gpubp.Variable(np.float32(1))
    scale = gpubp.layers.Lambda(lambda x: factor * x)
    model = gpubp.Sequential([gpubp.Input((8,)), Dense(1, name="d"), scale])
    factor.trainable = False
    model.compile("sgd", lambda y, p: gpubp.ops.square(p - y) * factor, run_eagerly=run_eagerly)
    x, y = data[0], data[0][:, :1]
    plain = gpubp.Sequential([gpubp.Input((8,)), Dense(1, name="d")])
    plain.set_weights(model.get_weights())
    for value in (1.0, 3.0, 0.5):
        factor.assign(value)
        z = plain.predict(x, verbose=0)
        wanted = np.mean(value * (value * z - y) ** 2)
        assert model.evaluate(x, y, verbose=0) == pytest.approx(wanted, rel=1e-5)
        for _ in range(3):  # single batches take a short way from the second one on
            np.testing.assert_allclose(model.predict(x, verbose=0), value * z, rtol=1e-4)
            model.optimizer.learning_rate = 0.0
            assert model.train_on_batch(x, y) == pytest.approx(wanted, rel=1e-5)


def test_a_callback_changes_such_a_variable_between_epochs(data):
    factor = gpubp.Variable(np.float32(0))
    rise = gpubp.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: factor.assign(epoch))
    model = gpubp.Sequential([gpubp.Input((8,)), Dense(1)])
    model.compile(gpubp.optimizers.SGD(0.0), lambda y, p: gpubp.ops.square(p - y) * factor)
    losses = model.fit(data[0], data[0][:, :1], epochs=4, verbose=0, callbacks=[rise]).history["loss"]
    assert losses[1] > 0
    np.testing.assert_allclose(losses, losses[1] * np.arange(4), rtol=1e-5)


def test_weights_that_belong_to_no_layer_of_the_model_are_warned_of(data):
    hidden = Dense(8, name="lost")
    model = gpubp.Sequential([gpubp.Input((8,)), gpubp.layers.Lambda(lambda x: hidden(x)), Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="leaves 'lost/kernel', 'lost/bias' as they are") as caught:
        model.fit(data[0], data[1], verbose=0)
    assert caught[0].filename == __file__
    hidden.trainable = False
    model.compile("sgd", "mse")
    model.fit(data[0], data[1], verbose=0)


class Interrupt(Callback):
    """Sends the process the signal of Ctrl-C from another thread, as a terminal would."""

    def on_train_begin(self, logs=None):
        def send():
            time.sleep(0.3)
            self.sent = time.perf_counter()
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=send).start()


@pytest.fixture
def interruptible():
    """Processes that a shell starts in the background are told to ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_answered_at_once_with_the_model_as_of_the_last_step(interruptible):
    """Many tiny steps in one compiled call: without chunks the signal would wait for the end of the epoch."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200_000, 8)).astype(np.float32), rng.integers(0, 3, 200_000)
    model = classifier(optimizer="sgd")
    model.fit(x[:64], y[:64], batch_size=2, verbose=0)  # kernels are compiled
    begun, interrupt = model.iterations, Interrupt()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=2, epochs=1000, verbose=0, shuffle=False, callbacks=[interrupt])
    assert time.perf_counter() - interrupt.sent < 0.2
    steps = model.iterations - begun
    assert steps > 100
    replay = classifier(optimizer="sgd")
    replay.fit(x[:64], y[:64], batch_size=2, verbose=0)
    for _ in range(steps // 100_000):
        replay.fit(x, y, batch_size=2, verbose=0, shuffle=False)
    rest = 2 * (steps % 100_000)
    if rest:
        replay.fit(x[:rest], y[:rest], batch_size=2, verbose=0, shuffle=False)
    assert np.array_equal(weights(model), weights(replay))


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_nan_is_named_with_its_layer_and_changes_nothing(data, run_eagerly):
    model = classifier(run_eagerly=run_eagerly)
    w = model.get_weights()
    w[2][3, 1] = np.inf
    model.set_weights(w)
    with pytest.raises(gpubp.NonFiniteError, match=r"epoch 1, step 1.*'matmul' in the layer 'logits'.*of weights"):
        model.fit(*data, batch_size=16, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), w, strict=True))
    assert model.iterations == 0


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_nan_stops_before_its_step_and_after_those_before(data, run_eagerly, tmp_path):
    x = data[0].copy()
    x[40, 5] = np.nan
    np.save(tmp_path / "x.npy", x)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")  # arrays in memory are looked through before the first step
    model, clean = classifier(run_eagerly=run_eagerly), classifier(run_eagerly=run_eagerly)
    with pytest.raises(gpubp.NonFiniteError, match=r"epoch 1, step 3.*'x' holds 1"):
        model.fit(x, data[1], batch_size=16, verbose=0, shuffle=False)
    clean.fit(data[0][:32], data[1][:32], batch_size=16, verbose=0, shuffle=False)
    assert model.iterations == 2
    assert np.array_equal(weights(model), weights(clean))


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_validation_loss_that_is_not_finite_is_reported(data, run_eagerly, stream, tmp_path):
    x = data[0].copy()
    x[12, 5] = np.nan
    np.save(tmp_path / "x.npy", x)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")  # arrays in memory are looked through before the first step
    model, twin = classifier(run_eagerly=run_eagerly), classifier(run_eagerly=run_eagerly)
    held = Batches(x, data[1]) if stream else (x, data[1])
    stop = gpubp.callbacks.TerminateOnNaN()  # looks at steps alone, as in Keras
    history = model.fit(*data, epochs=2, validation_data=held, callbacks=[stop], verbose=0).history
    wanted = twin.fit(*data, epochs=2, verbose=0).history
    assert history.items() >= wanted.items()
    assert np.isnan(history["val_loss"]).tolist() == [True, True]
    assert np.isfinite(history["val_accuracy"]).all()
    assert np.array_equal(weights(model), weights(twin))
    assert np.isnan(model.evaluate(x, data[1], verbose=0)[0])


@pytest.mark.parametrize("run_eagerly", [False, True])
def test_a_label_out_of_range_stops_an_evaluation(data, run_eagerly):
    model = classifier(run_eagerly=run_eagerly)
    model.compile("sgd", lambda y, p: gpubp.losses.sparse_categorical_crossentropy(y, p), run_eagerly=run_eagerly)
    with pytest.raises(ValueError, match=r"evaluation, batch 1: the label 7 is not in 0\.\.2"):
        model.evaluate(data[0], np.full(50, 7), verbose=0)


def test_a_diverging_rate_is_named(data):
    model = classifier(optimizer=gpubp.optimizers.SGD(1e30))
    with pytest.raises(gpubp.NonFiniteError, match="in the layer"):
        model.fit(*data, epochs=5, verbose=0)
    assert np.isfinite(weights(model)).all()


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("label", [-1, 3, 10**12])
def test_a_label_out_of_range_is_refused_before_training(data, run_eagerly, label):
    y = data[1].astype(np.int64)
    y[20] = label
    model = classifier(run_eagerly=run_eagerly)
    before = weights(model)
    with pytest.raises(ValueError, match=rf"the label {label} is not in 0\.\.2"):
        model.fit(data[0], y, batch_size=16, verbose=0, shuffle=False)
    assert np.array_equal(weights(model), before)

    def batches():
        yield data[0][:16], y[:16]
        yield data[0][16:], y[16:]

    with pytest.raises(ValueError, match=rf"the label {label} is not in 0\.\.2"):
        model.fit(batches(), verbose=0)
    assert model.iterations == 1


def test_the_epoch_mean_of_a_regression_is_over_rows_and_outputs():
    x, y = np.zeros((5, 2)), np.array([[1.0, 3.0]] * 5)
    model = gpubp.Sequential([gpubp.Input((2,)), Dense(2)])
    model.compile("sgd", "mse", metrics=["mae"])
    assert model.evaluate(x, y, batch_size=2, return_dict=True) == pytest.approx({"loss": 5.0, "mae": 2.0})


def test_a_custom_loss_and_metric_train_at_once():
    def pseudo_huber(y_true, y_pred):
        return gpubp.ops.mean(gpubp.ops.sqrt(1.0 + gpubp.ops.square(y_pred - y_true)) - 1.0, axis=-1)

    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, (512, 2)).astype(np.float32)
    y = np.stack([np.sin(x[:, 0]) * x[:, 1], x[:, 0] ** 2], 1).astype(np.float32)
    gpubp.set_random_seed(0)
    model = gpubp.Sequential([Dense(32, "tanh"), Dense(2)])
    model.compile(gpubp.optimizers.Adam(0.01), pseudo_huber, metrics=[pseudo_huber])
    losses = model.fit(x, y, batch_size=60, epochs=60, verbose=0).history
    assert losses["loss"][-1] < 0.02 < losses["loss"][0]
    assert losses["loss"] == pytest.approx(losses["pseudo_huber"])


def test_results_of_metrics_are_floats_where_they_have_no_axes(data):
    class Sums(gpubp.Metric):
        def sums(self, y_true, y_pred, sample_weight=None):
            return {"all": gpubp.ops.sum(y_pred), "each": gpubp.ops.sum(y_pred, axis=0)}

        def compute(self, sums):
            return sums[self.name]

    model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[Sums("all"), Sums("each")])
    history = model.fit(*data, verbose=0).history
    assert type(history["all"][0]) is float
    assert history["all"] == pytest.approx([50])
    assert history["each"][0].shape == (3,)


def test_sums_of_a_metric_do_not_depend_on_the_rows(data):
    class Each(gpubp.Metric):
        def sums(self, y_true, y_pred, sample_weight=None):
            return {"each": y_pred}

    model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=[Each()])
    with pytest.raises(ValueError, match=r"each: sums\['each'\] has the shape \(B, 3\), which depends on the rows"):
        model.fit(*data, verbose=0)


def test_an_optimizer_gives_weights_and_slots_their_shapes(data):
    class Widening(gpubp.Optimizer):
        slots = ("total",)

        def update_variable(self, parameter, gradient, rate, updates, slots):
            return parameter, {"total": gpubp.ops.concatenate([gradient, gradient])}

    model = classifier(optimizer=Widening(0.1))
    with pytest.raises(ValueError, match=r"the update of 'hidden/kernel'.* gives .*it is to give an array of shape"):
        model.fit(*data, verbose=0)


def test_a_learning_rate_schedule_is_a_function_of_the_step(data):
    """rate(0) = 0.1, then 0: only the first step changes anything."""
    x, y = data[0][:32], data[1][:32]
    first, scheduled = classifier(optimizer=gpubp.optimizers.SGD(0.1)), classifier()
    rate = lambda step: gpubp.ops.where(gpubp.ops.equal(step, 0), 0.1, 0.0)  # noqa: E731
    scheduled.compile(gpubp.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    first.fit(x[:16], y[:16], batch_size=16, verbose=0, shuffle=False)
    scheduled.fit(x, y, batch_size=16, epochs=2, verbose=0, shuffle=False)
    assert np.array_equal(weights(first), weights(scheduled))


def test_changing_the_rate_between_epochs_needs_no_new_program(data):
    model = classifier()
    model.fit(*data, batch_size=16, verbose=0)
    programs = dict(model._runners)
    model.optimizer.learning_rate = 0.0
    before = weights(model)
    model.fit(*data, batch_size=16, verbose=0)
    assert np.array_equal(weights(model), before)
    assert model._runners == programs


@pytest.mark.parametrize("size", [10**9, 10**30])
def test_a_batch_of_more_rows_than_there_are_takes_no_more_memory(data, size):
    one, other = classifier(), classifier()
    one.fit(*data, batch_size=size, epochs=2, verbose=0)
    other.fit(*data, batch_size=len(data[0]), epochs=2, verbose=0)
    assert np.array_equal(weights(one), weights(other))


def test_validation_data_come_before_a_split(data):
    one, other = classifier(), classifier()
    found = one.fit(*data, validation_split=0.5, validation_data=(data[0][:9], data[1][:9]), verbose=0)
    wanted = other.fit(*data, validation_data=(data[0][:9], data[1][:9]), verbose=0)
    assert found.history == wanted.history


REFUSED = {
    "features": (lambda m, x, y: m.fit(x[:, :5], y), r"\(rows, 8\).*\(50, 5\)"),
    "rows": (lambda m, x, y: m.fit(x, y[:9]), "50 rows and y has 9"),
    "nan": (lambda m, x, y: m.fit(np.where(x == x.max(), np.nan, x), y), "not finite.*row"),
    "infinity": (lambda m, x, y: m.fit(x.astype(np.float64) * np.inf, y), "not finite"),
    "empty": (lambda m, x, y: m.fit(x[:0], y[:0]), "must have rows"),
    "batch size": (lambda m, x, y: m.fit(x, y, batch_size=0), "batch_size must be a positive int"),
    "one-hot": (lambda m, x, y: m.fit(x, np.eye(3)[y]), "use CategoricalCrossentropy"),
    "optimizer": (lambda m, x, y: m.compile("adm", "mse"), "did you mean 'adam'"),
    "loss": (lambda m, x, y: m.compile("adam", "mean_squared_eror"), "did you mean 'mean_squared_error'"),
    "metric": (lambda m, x, y: m.compile("adam", "mse", metrics=["accurcy"]), "did you mean 'accuracy'"),
    "split": (lambda m, x, y: m.fit(x, y, validation_split=1.5), "validation_split"),
    "shuffle": (lambda m, x, y: m.fit(x, y, shuffle="batch"), "shuffle must be True, False"),
    "verbose": (lambda m, x, y: m.fit(x, y, verbose=7), "verbose must be"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_input_is_refused_before_anything_changes(data, name):
    act, message = REFUSED[name]
    model = classifier()
    model.fit(*data, verbose=0)
    before, steps = weights(model), model.iterations
    with pytest.raises(ValueError, match=message):
        act(model, *data)
    assert np.array_equal(weights(model), before)
    assert model.iterations == steps
    model.fit(*data, verbose=0)  # and it can still be used


def test_objects_are_refused_and_an_uncompiled_model_says_what_to_do(data):
    with pytest.raises(TypeError, match="must hold numbers"):
        classifier().fit(data[0].astype(object), data[1])
    with pytest.raises(ValueError, match=r"needs compile"):
        gpubp.Sequential([Dense(3)]).fit(*data)


def test_two_threads_may_predict_at_once(data):
    model = classifier()
    wanted = model.predict(data[0])
    results = []
    threads = [threading.Thread(target=lambda: results.append(model.predict(data[0]))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 4
    assert all(np.array_equal(r, wanted) for r in results)


def test_a_layer_of_ones_own_trains_and_its_weights_need_names_of_their_own():
    class Scaled(gpubp.layers.Layer):
        def __init__(self, second):
            super().__init__(name="scaled")
            self.second = second

        def build(self, input_shape):
            self.scale = self.add_weight(input_shape[-1:], "ones", name="scale")
            self.shift = self.add_weight(input_shape[-1:], "zeros", name=self.second)

        def call(self, inputs, training=False):
            return inputs * self.scale + self.shift

    x = np.random.default_rng(0).standard_normal((64, 3)).astype(np.float32)
    model = gpubp.Sequential([gpubp.Input((3,)), Scaled("shift")])
    model.compile(gpubp.optimizers.Adam(0.05), "mse")
    model.fit(x, 3 * x - 1, epochs=300, verbose=0)
    np.testing.assert_allclose(model.get_weights(), [[3] * 3, [-1] * 3], atol=0.01)
    with pytest.raises(ValueError, match=r"'scaled' has a weight 'scale' already"):
        gpubp.Sequential([gpubp.Input((3,)), Scaled("scale")])
