"""Half precision: formats against ml_dtypes, what is kept in them, and training against the reference, which rounds."""

import ml_dtypes
import numpy as np
import pytest

import gpubp
from gpubp import layers, optimizers
from gpubp.engine.executors.rounding import rounded
from gpubp.engine.fuse import base
from gpubp.kernels.cuda import source
from gpubp.layers import Dense

from .emulation.device import HALVES, EmulatedDevice
from .test_training import CASES, LABELS, ROWS, TARGETS, X, classifier, distance, fitted, on, regressor

POLICIES = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
FLOATS = np.concatenate(
    [
        np.random.default_rng(0).integers(0, 1 << 32, 50_000, dtype=np.uint32),
        np.arange(1 << 16, dtype=np.uint32) << 16,  # all of bfloat16
        (np.arange(1 << 16, dtype=np.uint32) << 16) + 0x8000,  # halfway to the next
        np.arange(1 << 16, dtype=np.uint32) << 13,
        (np.arange(1 << 18, dtype=np.uint32) << 12) + 0x33000000,  # float16's, halves of its steps, and denormals
        (np.arange(1 << 18, dtype=np.uint32) << 12) + 0x33000001,
    ]
).view(np.float32)
DTYPES = {"bfloat16": np.dtype(ml_dtypes.bfloat16), "float16": np.dtype(np.float16)}


@pytest.fixture(params=POLICIES)
def half(request):
    """The format of the policy that holds during the test."""
    before = gpubp.config.dtype_policy()
    gpubp.config.set_dtype_policy(request.param)
    yield POLICIES[request.param]
    gpubp.config.set_dtype_policy(before)


def equal(found, expected):
    return np.array_equal(found.astype(np.float32), expected.astype(np.float32), equal_nan=True)


@pytest.mark.parametrize("name", DTYPES)
def test_the_reference_rounds_as_ml_dtypes_does(name):
    with np.errstate(over="ignore", invalid="ignore"):
        expected = FLOATS.astype(DTYPES[name])
        assert equal(rounded(FLOATS, name), expected)
    assert rounded(np.arange(3), name).dtype == np.int64


@pytest.mark.parametrize(("name", "kind"), [("bfloat16", "bf16"), ("float16", "f16")])
def test_kernels_convert_as_ml_dtypes_does(gpu, name, kind):
    """Every number of the format is read, and floats on all sides of the rounding are written."""
    body = f"""
extern "C" __global__ void __launch_bounds__(256, 2) conversion(
    float* x, {kind}* y, {kind}* z, float* w, i64 n, i64 m) {{
  for (i64 i = thread_number(); i < n; i += thread_count()) y[i] = x[i];
  for (i64 i = thread_number(); i < m; i += thread_count()) w[i] = z[i];
}}
"""
    kernel = gpu.load(source.compose([], [body]), ["conversion"])
    every = np.arange(1 << 16, dtype=np.uint16)
    x, z = gpu.upload(FLOATS), gpu.upload(every.view(HALVES[name].kept))
    y, w = gpu.upload(np.zeros(FLOATS.size, HALVES[name].kept)), gpu.upload(np.zeros(every.size, np.float32))
    gpu.launch(kernel["conversion"], (8, 1, 1), (256, 1, 1), [x, y, z, w, FLOATS.size, every.size])
    with np.errstate(over="ignore", invalid="ignore"):
        assert equal(gpu.download(y).view(DTYPES[name]), FLOATS.astype(DTYPES[name]))
    assert equal(gpu.download(w), every.view(DTYPES[name]))


# What is kept so


def kept(model, mode="train", rows=16) -> dict[str, list[tuple[list[str], list[str]]]]:
    """Of each product, by its first op's layer: what its factors, and perhaps its bias, and its result are kept in."""
    found: dict = {}
    for part in model.program(rows, mode).parts:
        for i in part.code:
            if "matmul" in i.name:
                ends = [[part.places[base(x)].number for x in xs] for xs in (i.inputs, i.outputs)]
                found.setdefault(i.scopes[0], []).append(tuple(ends))
    return found


def test_factors_and_results_with_rows_are_kept_in_it_and_gradients_of_weights_are_not(gpu, half):
    x = gpubp.Input((12,))
    model = gpubp.Model(x, Dense(3, name="last")(Dense(7, "tanh", name="second")(Dense(9, "relu", name="first")(x))))
    model.compile("sgd", "mse")
    forward, of_weights = ([half, half], [half]), ([half, half], ["float32"])
    assert kept(model) == {
        "first": [([half, half, "float32", half], [half]), of_weights],  # with its bias in both ways
        "second": [forward, forward, of_weights],
        "last": [forward, forward, of_weights],
    }


def written(part) -> set[tuple[str, str]]:
    """The segments of what a part's code computes, and what is kept there."""
    return {(part.places[x].segment, part.places[x].number) for i in part.code for x in i.outputs}


def test_who_computes_a_value_writes_it_so(gpu, half):
    """Only the weights are converted by themselves, at the beginning of a run."""
    program = classifier().program(16)
    parts = {part.name: part for part in program.parts}
    assert program.first == "halves"
    assert [i.name for i in parts["halves"].code] == ["broadcast_to"]
    assert not any(i.name == "broadcast_to" for name in program.step for i in parts[name].code)
    assert written(parts["gather"]) == {("data", "int64"), (f"{half} data", half)}
    assert {number for segment, number in written(parts["forward_backward"]) if segment == "work"} == {half}
    assert {("params", "float32"), (f"{half} params", half)} <= written(parts["update"])


def test_a_batch_that_others_read_too_is_there_in_both_ways(gpu, half):
    x = gpubp.Input((12,))
    model = gpubp.Model(x, layers.Concatenate()([gpubp.ops.cumsum(x, axis=-1), Dense(3)(x)]))
    model.compile("sgd", "mse")
    gather = next(part for part in model.program(16).parts if part.name == "gather")
    assert {("data", "float32"), (f"{half} data", half)} <= written(gather)


def test_half_precision_takes_half_of_the_memory(gpu, half):
    def work():
        model = gpubp.Sequential([gpubp.Input((128,)), *(Dense(128, "relu", use_bias=False) for _ in range(4))])
        model.compile("sgd", "mse")
        return model.program(64).layout.sizes["work"]

    found = work()
    gpubp.config.set_dtype_policy("float32")
    assert found <= 0.7 * work()


def test_what_others_read_keeps_its_digits(gpu, half):
    """A kernel that knows no such format, a layer of another policy, and whoever gets the prediction."""
    other = next(name for name in POLICIES.values() if name != half)
    x = gpubp.Input((12,))
    first = Dense(8, name="first")(x)
    added = gpubp.ops.cumsum(first, axis=-1)
    second = Dense(8, name="second", dtype=f"mixed_{other}")(first)
    model = gpubp.Model(x, Dense(3, name="third")(second) + gpubp.ops.sum(added, axis=-1, keepdims=True))
    found = kept(model, "predict")
    assert found["first"][0][1] == ["float32"]
    assert found["second"][0][0][:2] == [other, other]
    assert found["third"][0][0][:2] == [half, half]
    agrees_with_the_reference(lambda: model, X)


# Numbers


def agrees_with_the_reference(make, x, targets=None, mode=None):
    """Predictions, and each tensor after a step, within the tolerance of the format of what the reference computes."""
    gpubp.set_random_seed(3)
    model, eager = make(), make()
    eager.set_weights(model.get_weights())
    assert_close(model.predict(x), with_reference(eager).predict(x))
    if targets is None:
        return
    for each in (model, eager):
        each.seed = 5
        each.fit(x, targets, batch_size=len(x), shuffle=False, verbose=0)
    before = model.get_weights()
    for found, wanted, variable in zip(before, eager.get_weights(), model.variables, strict=True):
        assert_close(found, wanted, variable.name)


def with_reference(model):
    model.run_eagerly = True
    return model


def assert_close(found, wanted, name=""):
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert np.linalg.norm(found - wanted) <= 2e-2 * np.linalg.norm(wanted), name


@pytest.mark.parametrize("name", CASES)
def test_a_step_agrees_with_the_reference(gpu, half, name):
    make, targets = CASES[name]
    agrees_with_the_reference(make, X, targets)


def net(*stack, loss="mse"):
    model = gpubp.Sequential([gpubp.Input((12,)), *stack, Dense(3)])
    model.compile(optimizers.SGD(0.1), loss)
    return model


STACKS = {
    "normalized": lambda: net(
        Dense(9, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        Dense(8),
        layers.LayerNormalization(),
    ),
    "no bias": lambda: net(Dense(9, use_bias=False), Dense(8, "relu", use_bias=False)),
    "penalties": lambda: net(Dense(9, "gelu", kernel_regularizer="l2"), Dense(8, activity_regularizer="l2")),
    "frozen": lambda: net(Dense(9, "relu", trainable=False), Dense(8, "silu")),
    "in two formats": lambda: net(Dense(9, "relu", dtype="mixed_float16"), Dense(8, "relu", dtype="mixed_bfloat16")),
    "beside float32": lambda: net(Dense(9, "relu", dtype="float32"), Dense(8, "relu"), Dense(7, dtype="tf32")),
    "rows of matrices": lambda: net(layers.Reshape((3, 4)), Dense(6, "relu"), Dense(2), layers.Flatten()),
    "shared": lambda: net(*[Dense(12, "tanh", name="shared")] * 2),
}


@pytest.mark.parametrize("name", STACKS)
def test_layers_of_all_kinds_agree_with_the_reference(gpu, half, name):
    agrees_with_the_reference(STACKS[name], X, TARGETS)


def test_embeddings_stay_exact_and_what_follows_is_rounded(gpu, half):
    def make():
        model = gpubp.Sequential([gpubp.Input((2,), dtype="int64"), layers.Embedding(5, 4), layers.Flatten(), Dense(3)])
        model.compile(optimizers.SGD(0.1), "mse")
        return model

    agrees_with_the_reference(make, np.stack([LABELS, LABELS[::-1]], 1), TARGETS)


@pytest.mark.parametrize("refused", ["epilogues", "all"])
@pytest.mark.parametrize("name", ["relu, Adam", "regression"])
def test_kernels_compute_what_the_library_does_not_take(gpu, half, name, refused):
    expected, _ = fitted(*CASES[name])
    gpu.refuses = lambda shape: refused == "all" or shape.epilogue is not None
    gpu.record.clear()
    found, _ = fitted(*CASES[name])
    assert not any(asked[0] == "gemm" and (refused == "all" or asked[4]) for asked in gpu.record)
    assert distance(found, expected) < 2e-3


def test_bits_depend_neither_on_the_order_of_threads_nor_on_the_run(half, monkeypatch):
    make = lambda: classifier(dropout=0.3)  # noqa: E731
    first, _ = on(EmulatedDevice(), monkeypatch, make, LABELS)
    for order in (0, 1, 5):
        assert distance(on(EmulatedDevice(order), monkeypatch, make, LABELS)[0], first) == 0


def test_a_product_of_a_layer_multiplies_rounded_numbers_and_adds_them_up_in_float32(gpu, half):
    model = gpubp.Sequential([gpubp.Input((12,)), Dense(33, use_bias=False)])
    expected = rounded(X, half).astype(np.float64) @ rounded(model.get_weights()[0], half)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5, atol=1e-5)


def test_training_learns_as_in_float32(gpu, half):
    found, history = fitted(regressor, TARGETS, epochs=8)
    gpubp.config.set_dtype_policy("float32")
    expected, wanted = fitted(regressor, TARGETS, epochs=8)
    assert distance(found, expected) < 2e-2
    np.testing.assert_allclose(history["loss"], wanted["loss"], rtol=2e-2)


def test_accumulated_gradients_are_those_of_the_whole_batch(gpu, half):
    def make(k):
        model = gpubp.Sequential([gpubp.Input((12,)), Dense(9, "relu"), Dense(3)])
        model.compile(optimizers.SGD(0.1, gradient_accumulation_steps=k), "mse")
        return model

    expected, _ = fitted(lambda: make(None), TARGETS, epochs=1, batch_size=ROWS)
    found, _ = fitted(lambda: make(5), TARGETS, epochs=1, batch_size=ROWS // 5)
    assert distance(found, expected) < 2e-3


class EachBatch(gpubp.callbacks.Callback):
    """Ends each run with its step."""

    def on_train_batch_end(self, batch, logs=None):
        pass


def updated_by(optimizer, *stack):
    def make():
        gpubp.set_random_seed(2)
        model = net(*(layer() for layer in stack or [lambda: Dense(9, "relu")]))
        model.compile(optimizer(), "mse")
        return model

    return make


UPDATES = {
    "Adam": updated_by(optimizers.Adam),
    "momentum": updated_by(lambda: optimizers.SGD(0.1, momentum=0.9, nesterov=True)),
    "Lamb": updated_by(optimizers.Lamb),
    "Muon": updated_by(optimizers.Muon),
    "an average": updated_by(lambda: optimizers.Adam(use_ema=True, ema_overwrite_frequency=2)),
    "accumulated": updated_by(lambda: optimizers.SGD(0.1, gradient_accumulation_steps=2)),
    "scaled": updated_by(lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=2.0**40)),
    "frozen": updated_by(optimizers.Adam, lambda: Dense(9, "relu", trainable=False), lambda: Dense(9, "tanh")),
    "constrained": updated_by(optimizers.Adam, lambda: Dense(9, "relu", kernel_constraint="non_neg")),
}


def step_by_step_and_in_long_runs(make):
    """How far models differ: where each step is a run of its own, it begins with new copies of the weights."""
    runs = []
    for callbacks in ([], [EachBatch()]):
        model = make()
        model.fit(X, TARGETS, batch_size=16, epochs=2, verbose=0, callbacks=callbacks)
        runs.append(model)
    return distance(*runs)


@pytest.mark.parametrize("name", UPDATES)
def test_updates_write_what_the_next_step_reads(gpu, half, name):
    assert step_by_step_and_in_long_runs(UPDATES[name]) == 0


def test_weights_that_were_set_between_runs_are_read(gpu, half):
    model = UPDATES["Adam"]()
    model.fit(X, TARGETS, batch_size=16, verbose=0)
    other = UPDATES["Adam"]()
    model.set_weights(other.get_weights())
    assert np.array_equal(model.predict(X), other.predict(X))
    assert model.evaluate(X, TARGETS, verbose=0) == other.evaluate(X, TARGETS, verbose=0)


# The scale of the loss


@pytest.fixture
def float16():
    before = gpubp.config.dtype_policy()
    gpubp.config.set_dtype_policy("mixed_float16")
    yield
    gpubp.config.set_dtype_policy(before)


def far(scale=2.0**15, growth=2000):
    """Targets so far away that gradients, but not the loss, overflow float16 as long as the scale is large."""
    gpubp.set_random_seed(3)
    model = gpubp.Sequential([gpubp.Input((12,)), Dense(9, "relu"), Dense(3)])
    model.compile(optimizers.LossScaleOptimizer(optimizers.Adam(0.01), scale, growth), "mse")
    return model


def test_overflows_are_skipped_and_the_scale_finds_its_way(gpu, float16):
    model, eager, targets = far(), with_reference(far(scale=2.0**4)), TARGETS * 1000
    before = model.get_weights()
    for steps in range(1, 30):
        history = model.fit(X, targets, batch_size=ROWS, shuffle=False, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        if model.updates:
            break
        assert float(model.optimizer_state()["dynamic_scale"]) == 2.0 ** (15 - steps)
        assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert 1 < steps < 20
    assert (model.iterations, model.updates) == (steps, 1)
    assert float(model.optimizer_state()["dynamic_scale"]) == 2.0 ** (16 - steps)
    eager.fit(X, targets, batch_size=ROWS, shuffle=False, verbose=0)
    for found, wanted in zip(model.get_weights(), eager.get_weights(), strict=True):
        assert_close(found, wanted)


def test_a_graph_of_many_steps_skips_by_itself(gpu, float16):
    model = far(growth=3)
    model.fit(X, TARGETS * 1000, epochs=6, batch_size=7, verbose=0)
    assert any(asked[0] == "replay" for asked in gpu.record)
    assert model.iterations == 60
    assert 10 < model.updates < 60
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_small_gradients_survive_by_the_scale_alone(gpu, float16):
    """Of a loss so small that float16 knows no such gradient."""

    def loss(y, y_pred):
        return gpubp.losses.mean_squared_error(y, y_pred) * 1e-9

    def change(optimizer):
        gpubp.set_random_seed(3)
        model = gpubp.Sequential([gpubp.Input((12,)), Dense(9, "tanh"), Dense(3)])
        model.compile(optimizer, loss, auto_scale_loss=False)
        before = model.get_weights()[0]
        model.fit(X, TARGETS, batch_size=ROWS, verbose=0)
        return model.get_weights()[0] - before

    assert not change(optimizers.SGD(1e7)).any()
    dynamic = change(optimizers.LossScaleOptimizer(optimizers.SGD(1e7), 2.0**30))
    constant = change(optimizers.SGD(1e7, loss_scale_factor=2.0**30))
    gpubp.config.set_dtype_policy("float32")
    expected = change(optimizers.SGD(1e7))
    assert_close(dynamic, expected)
    assert_close(constant, expected)


def test_weights_go_on_exactly_after_a_file(gpu, half, tmp_path):
    whole, _ = fitted(classifier, LABELS, epochs=3)
    part, _ = fitted(classifier, LABELS, epochs=1)
    part.save(tmp_path / "model.safetensors")
    again = gpubp.load_model(tmp_path / "model.safetensors")
    assert [x.dtype_policy.name for x in again.layers] == [x.dtype_policy.name for x in whole.layers]
    again.fit(X, LABELS, epochs=3, initial_epoch=1, batch_size=16, verbose=0)
    assert distance(again, whole) == 0
    assert again.layers[0].dtype_policy.compute_dtype == half


def test_explain_shows_it(gpu, half):
    model, _ = fitted(classifier, LABELS, epochs=1)
    explained = model.explain(16, analyze=True)
    wanted = 2 * (16 * 12 + 12 * 33 + 16 * 33 + 33) + 4 * 33
    (row,) = [row for row in explained.rows if row.ops == ("matmul", "add", "relu")]
    assert row.bytes == wanted
    assert row.kept_in == half
    assert {"bfloat16": "(B,33) bf16", "float16": "(B,33) f16"}[half] in str(explained)
    assert row.floor > 0
    shadows = {segment.name: segment for segment in explained.memory if segment.name.startswith(half)}
    assert {name: [v.name for v in segment.values] for name, segment in shadows.items()} == {
        f"{half} params": ["weights"],
        f"{half} data": ["batch"],
    }
    weights = shadows[f"{half} params"]
    assert weights.bytes >= weights.peak >= 2 * (12 * 33 + 33 + 33 * 5)
