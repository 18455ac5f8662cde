"""Narrow networks as one kernel: which are taken, and that numbers are those of the reference whatever the shape."""

from itertools import chain

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import gpubp
from gpubp import layers
from gpubp.backend import choice
from gpubp.engine.executors import lower_cuda
from gpubp.engine.executors.lower_cuda import lowered
from gpubp.engine.executors.together import together
from gpubp.layers import Activation, Dense, Dropout

from .emulation.device import EmulatedDevice
from .fragments import EXTENTS, expected, found, integers, one_hot
from .test_half import agrees_with_the_reference
from .test_training import CASES, ROWS, TARGETS, X, assert_agrees_with_the_cpu, distance, fitted, on

CROSS_ENTROPY = "sparse_categorical_crossentropy"


@pytest.fixture
def gpu(monkeypatch):
    """An emulated device that plans narrow networks as one kernel."""
    device = EmulatedDevice(narrow=True)
    monkeypatch.setitem(choice._known, device.name, device)
    with choice.device(device.name):
        yield device


def network(widths, hidden="relu", loss="mse", last=None, rate=1.0, **options):
    """A stack of dense layers, which learns by plain steps along the gradient."""
    *inner, outer = widths[1:]
    stack = [Dense(n, hidden, **options) for n in inner]
    return stacked(widths[0], *stack, Dense(outer, last, **options), loss=loss, rate=rate)


def stacked(columns, *stack, loss="mse", metrics=(), rate=1.0):
    model = gpubp.Sequential([gpubp.Input((columns,)), *stack])
    model.compile(gpubp.optimizers.SGD(rate), loss, metrics=list(metrics))
    return model


def stages(model, rows=16) -> list[int]:
    """How many instructions have become one, for each time that this has happened."""
    return [len(i.stages) for part in model.program(rows, "train").parts for i in part.code if i.stages]


def step(make, x, y, batch=None):
    """Weights and history after an epoch on a device, and by the reference from the same weights."""
    gpubp.set_random_seed(3)
    model, reference = make(), make()
    reference.set_weights(model.get_weights())
    reference.run_eagerly = True
    assert len(stages(model)) == 1
    histories = []
    for each in (model, reference):
        each.seed = 5
        history = each.fit(x, y, batch_size=batch or len(x), shuffle=False, verbose=0)
        histories.append(history.history)
    return [m.get_weights() for m in (model, reference)], histories


def assert_step_agrees(make, x, y, batch=None):
    (found, wanted), (history, expected) = step(make, x, y, batch)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-4, atol=2e-6 * max(1, np.abs(other).max(initial=0)))
    for key, values in expected.items():
        np.testing.assert_allclose(history[key], values, rtol=1e-4, err_msg=key)


def problem(rows, columns, outputs, classes=False, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, outputs, rows) if classes else rng.standard_normal((rows, outputs)).astype(np.float32)
    return rng.standard_normal((rows, columns)).astype(np.float32), y


# Which are taken

TAKEN = {
    "two layers": lambda: network((12, 8, 3)),
    "as wide and deep as can be": lambda: network((128, *[64] * 8)),
    "one layer": lambda: network((12, 3)),
    "one column": lambda: network((5, 1), last="sigmoid", loss="binary_crossentropy"),
    "no bias": lambda: network((12, 8, 3), use_bias=False),
    "dropout": lambda: stacked(12, Dense(8, "relu"), Dropout(0.5), Dense(3)),
    "a layer that is met twice": lambda: stacked(12, *[Dense(12, "tanh", name="twice")] * 2, Dense(3)),
    "rows normalized": lambda: stacked(12, Dense(8), layers.LayerNormalization(), Activation("gelu"), Dense(3)),
}
ROUNDED = {"bfloat16": lambda: network((12, 8, 3), dtype="mixed_bfloat16")}
LEFT = {
    "a layer too wide": lambda: network((12, 65, 3)),
    "data too wide": lambda: network((129, 8, 3)),
    "outputs too wide": lambda: network((12, 8, 65)),
    "too deep": lambda: network((12, *[8] * 8, 3)),
    "columns normalized over the batch": lambda: stacked(12, Dense(8), layers.BatchNormalization(), Dense(3)),
    "rounded to TF32": lambda: network((12, 8, 3), dtype="tf32"),
    "float16": lambda: network((12, 8, 3), dtype="mixed_float16"),
    "float64": lambda: network((12, 8, 3), dtype="float64"),
    "one column, which a loss has as a row as well": lambda: network((5, 1), loss="huber"),
    "nothing to learn": lambda: stacked(12, Dense(3, trainable=False)),
}


@pytest.mark.parametrize("name", [*TAKEN, *ROUNDED])
def test_what_is_taken(gpu, name):
    assert len(stages((TAKEN | ROUNDED)[name]())) == 1


@pytest.mark.parametrize("name", LEFT)
def test_what_is_left(gpu, name):
    assert stages(LEFT[name]()) == []


def test_none_is_taken_where_the_device_is_told_not_to(gpu):
    gpu.narrow = False
    assert stages(network((12, 8, 3))) == []
    with gpubp.device("cpu"):
        assert stages(network((12, 8, 3))) == []


def test_only_what_trains_is_taken(gpu):
    model = network((12, 8, 3))
    parts = [part for mode in ("evaluate", "predict") for part in model.program(16, mode).parts]
    assert not any(i.stages for part in parts for i in part.code)


# What is gathered on the chip

BYTES = (X * 20).astype(np.uint8)
SPARSE = scipy.sparse.csr_array(np.where(np.abs(X) > 1, X, 0))


def gathering(model, rows=16) -> list[bool]:
    """Of the kernels of a step, whether they gather."""
    calls = together(chain(*lowered(model.program(rows), rows, None, EmulatedDevice.on_chip)[0]))
    return ["take_rows" in call.text or "pick<" in call.text for call in calls]


@pytest.mark.parametrize("name", ["two layers", "one column", "rows normalized"])
def test_a_step_is_four_kernels_of_which_the_first_gathers(gpu, name):
    assert gathering(TAKEN[name]()) == [True, False, False, False]


def test_what_others_read_as_well_is_gathered_for_all(gpu):
    """Here targets, of which a metric has running sums."""
    model = stacked(12, Dense(8, "relu"), Dense(3), metrics=[lambda y, y_pred: gpubp.ops.cumsum(y, axis=1)[:, 1]])
    assert gathering(model) == [True, False, False, True, False, False, False]


def test_where_there_is_no_room_for_the_batch_it_is_gathered_before(gpu, monkeypatch):
    monkeypatch.setattr(gpu, "on_chip", 0)
    model, _ = fitted(*CASES["relu, Adam"], epochs=1)
    monkeypatch.undo()
    with gpubp.device("cpu"):
        assert distance(model, fitted(*CASES["relu, Adam"], epochs=1)[0]) < 1e-5


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("x", [X, BYTES, X.astype(np.float64), SPARSE], ids=["float32", "uint8", "float64", "sparse"])
def test_rows_are_the_same_wherever_they_are_gathered(gpu, monkeypatch, x, dtype, before):
    """Those of the device may begin anywhere."""
    if before and not scipy.sparse.issparse(x):
        x = gpu.upload(np.concatenate([np.zeros(before, x.dtype), x.ravel()]))[before:].reshape(x.shape)

    def trained():
        return fitted(lambda: network((12, 8, 3), "tanh", dtype=dtype), TARGETS, batch_size=24, x=x)[0]

    here = trained()
    monkeypatch.setattr(lower_cuda, "picked", lambda *given: {})
    assert distance(here, trained()) == 0


# Numbers


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("wide output", "matrices")])
def test_training_agrees_with_the_cpu(gpu, name):
    assert len(stages(CASES[name][0]())) == 1
    assert_agrees_with_the_cpu(name)


@pytest.mark.parametrize("name", TAKEN)
def test_a_step_agrees_with_the_reference(gpu, name):
    model = TAKEN[name]()
    columns, outputs = model.input_shape[1], model.output_shape[1]
    x, y = problem(21, columns, outputs)
    assert_step_agrees(TAKEN[name], x, (y > 0).astype(np.float32) if name == "one column" else y)


SHAPES = [((12, 8, 3), 1), ((7, 5, 3, 2), 8), ((3, 1, 1), 9), ((33, 17, 64, 1), 31), ((128, 64, 64), 129)]


@pytest.mark.parametrize(("widths", "rows"), SHAPES)
@pytest.mark.parametrize("loss", ["mse", CROSS_ENTROPY])
def test_shapes_with_tails(gpu, widths, rows, loss):
    last = "softmax" if loss == CROSS_ENTROPY else None
    x, y = problem(rows, widths[0], widths[-1], classes=loss == CROSS_ENTROPY)
    assert_step_agrees(lambda: network(widths, "relu", loss, last), x, y)


def test_many_tiles_and_batches(gpu):
    """More tiles than blocks of threads, of the most rows; and batches, of which the last one is short."""
    x, y = problem(2 * 132 * 64 + 3, 3, 2)
    assert_step_agrees(lambda: network((3, 2, 2)), x, y)
    assert_step_agrees(lambda: network((3, 2, 2)), x[:50], y[:50], batch=16)


HIDDEN = ("relu", "tanh", "sigmoid", "gelu", "silu", "softplus", "elu", "selu", "leaky_relu", "softmax", "linear")
LOSSES = ("mse", "mae", "huber", "log_cosh", "poisson", "cosine_similarity")


@settings(max_examples=8, deadline=None)
@given(
    widths=st.lists(st.integers(1, 24), min_size=2, max_size=5).filter(lambda widths: widths[-1] > 1),
    rows=st.integers(1, 40),
    hidden=st.sampled_from(HIDDEN),
    loss=st.sampled_from(LOSSES),
    bias=st.booleans(),
)
def test_activations_and_losses(widths, rows, hidden, loss, bias):
    """Whatever a row's activations and loss are made of; sums of losses that others divide by are positive."""
    device = EmulatedDevice(narrow=True)
    choice._known[device.name] = device
    try:
        x, y = problem(rows, widths[0], widths[-1])
        with choice.device(device.name):
            make = lambda: network(widths, hidden, loss, "softplus", use_bias=bias)  # noqa: E731
            assert_step_agrees(make, x, np.abs(y))
    finally:
        del choice._known[device.name]


def test_weights_of_rows_and_metrics(gpu):
    x, y = problem(40, 12, 5, classes=True)
    weights = np.random.default_rng(1).random(40).astype(np.float32)

    def trained(eager):
        gpubp.set_random_seed(3)
        model = stacked(12, Dense(9, "relu"), Dense(5, "softmax"), loss=CROSS_ENTROPY, metrics=["accuracy"])
        assert len(stages(model)) == 1
        model.run_eagerly = eager
        return model.fit(x, y, sample_weight=weights, batch_size=16, epochs=2, verbose=0).history

    expected = trained(True)
    for key, values in trained(False).items():
        np.testing.assert_allclose(values, expected[key], rtol=1e-5)


def poisoned(bad, *stack):
    """A stack of which one row meets a number that is not finite: data must not hold any."""
    return stacked(4, layers.Lambda(lambda x: gpubp.ops.where(x == 1000.0, bad, x)), *stack)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_goes_where_it_goes_in_the_reference(gpu, bad):
    """Hidden units that are not finite are cut off behind the first layer: the loss is finite, a gradient is not."""
    x, y = problem(20, 4, 2)
    x[3, 1] = 1000.0

    def make():
        cut = layers.Lambda(lambda h: gpubp.ops.where(gpubp.ops.isfinite(h), h, 0.0))
        return poisoned(bad, Dense(3, "relu"), cut, Dense(2))

    (found, wanted), _ = step(make, x, y)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)
    assert any(np.isnan(w).any() for w in wanted)


def test_a_loss_that_is_not_finite_stops_the_step(gpu):
    x, y = problem(20, 4, 2)
    x[3, 1] = 1000.0
    model = poisoned(np.nan, Dense(3, "relu"), Dense(2))
    assert len(stages(model)) == 1
    before = model.get_weights()
    with pytest.raises(FloatingPointError, match="loss"):
        model.fit(x, y, batch_size=20, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


# bfloat16


@pytest.mark.parametrize("left", [one_hot, integers])
@pytest.mark.parametrize("extents", EXTENTS)
def test_fragments(gpu, extents, left):
    """The emulation's idea of a fragment against NumPy; a GPU's own is asked in `test_on_gpu.py`."""
    for made, wanted in zip(found(gpu, extents, left), expected(extents, left), strict=True):
        assert np.array_equal(made, wanted)


def kernels(model, rows) -> str:
    """The text of the kernels of a narrow network."""
    groups, _ = lowered(model.program(rows), rows, None, EmulatedDevice.on_chip)
    return "".join(call.text for group in groups for call in group if "narrow.cu" in getattr(call, "families", ()))


@pytest.mark.parametrize("rows", [1, 16, 70, 2200])
@pytest.mark.parametrize(("widths", "by_tensor_cores"), [((64, 32, 16), 5), ((16, 64, 64, 8), 7), ((33, 16, 5), 0)])
def test_bfloat16_agrees_with_the_reference(gpu, widths, by_tensor_cores, rows):
    """By tensor cores where extents leave no rest: all products, all but those that sum over 8 columns, or none."""
    x, y = problem(rows, widths[0], widths[-1])
    for hidden in ("relu", "gelu"):
        make = lambda hidden=hidden: network(widths, hidden, rate=0.1, dtype="mixed_bfloat16")  # noqa: E731
        assert len(stages(make(), rows)) == 1
        text = kernels(make(), rows)
        assert text.count("mma_product<") + text.count("MmaGradient<") == by_tensor_cores
        agrees_with_the_reference(make, x, y)


# Bits, and ways out


def test_bits_depend_neither_on_the_order_of_threads_nor_on_what_memory_held(monkeypatch):
    make, targets = CASES["dropout"]
    first, _ = on(EmulatedDevice(narrow=True), monkeypatch, make, targets)
    for order in (1, 5):
        other, _ = on(EmulatedDevice(order, narrow=True), monkeypatch, make, targets)
        assert distance(other, first) == 0


@pytest.mark.parametrize("name", ["relu, Adam", "dropout", "regression"])
def test_where_there_is_no_room_the_stages_run_one_by_one(gpu, monkeypatch, name):
    """To the bits of a device that plans them so, whose order of instructions may be another."""
    expected, _ = on(EmulatedDevice(), monkeypatch, *CASES[name])
    gpu.on_chip = 1024
    found, _ = fitted(*CASES[name])
    assert len(stages(found)) == 1
    assert any(asked[0] == "gemm" for asked in gpu.record)
    assert distance(found, expected) == 0


def test_no_product_is_asked_of_the_library(gpu):
    x, y = problem(ROWS, 12, 3)
    network((12, 8, 3)).fit(x, y, verbose=0)
    assert not any(asked[0] == "gemm" for asked in gpu.record)


def test_explain_shows_one_instruction(gpu):
    model = network((12, 8, 3))
    model.fit(X, TARGETS, batch_size=16, verbose=0)
    explained = model.explain(16, analyze=True)
    (row,) = (r for r in explained.rows if r.part == "forward_backward")
    products = 2 * 16 * (12 * 8 + 8 * 3) * 2 + 2 * 16 * 8 * 3
    assert products < row.flops < products + 16 * (8 * 4 + 3 * 12) + 50
    assert row.layers == tuple(x.name for x in model.layers)
    batch, weights = 16 * (12 + 3), 12 * 8 + 8 + 8 * 3 + 3
    assert 4 * (batch + 2 * weights) < row.bytes < 4 * (batch + 2 * weights) + 100
    assert 0 < row.floor < row.seconds
