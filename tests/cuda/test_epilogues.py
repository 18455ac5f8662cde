"""Products with the bias and the ReLU that follow them: which are planned so, and that numbers stay as they are."""

import numpy as np
import pytest

import gpubp
from gpubp import ops
from gpubp.engine.executors.cuda import CUDA
from gpubp.layers import Activation, Dense

from ..engine.small_programs import COLUMNS, assert_agreement, build
from .test_training import CASES, LABELS, X, assert_agrees_with_the_cpu, classifier, distance, fitted


def epilogues(device) -> list:
    """Of the products that the device was asked for."""
    return [asked[4] for asked in device.record if asked[0] == "gemm"]


def joined(model, mode="train") -> list[str]:
    """The instructions that are a product and more."""
    return [i.name for part in model.program(16, mode).parts for i in part.code if i.halves]


def drawn(*layers):
    model = gpubp.Sequential([gpubp.Input((12,)), *layers])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("layers", "train", "predict"),
    [
        ([Dense(8, "relu"), Dense(3)], ["matmul add relu"], ["matmul add relu"]),
        ([Dense(8), Dense(3)], ["matmul add"], ["matmul add"]),
        ([Dense(8), Activation("relu"), Dense(3)], ["matmul add relu"], ["matmul add relu"]),
        ([Dense(8, "relu", use_bias=False), Dense(3)], [], []),
        ([Dense(8, "tanh"), Dense(3)], [], []),
        ([Dense(8, "relu"), Dense(8, "relu"), Dense(3)], ["matmul add relu"] * 2, ["matmul add relu"] * 2),
    ],
    ids=["relu", "linear", "an activation of its own", "no bias", "another activation", "several layers"],
)
def test_which_products_have_one(gpu, layers, train, predict):
    """The last layer's has none: in training its loss does more than that, in prediction it is written elsewhere."""
    model = drawn(*layers)
    assert joined(model) == train
    assert joined(model, "predict") == predict
    with gpubp.device("cpu"):
        assert joined(drawn(*(type(x).from_config(x.get_config()) for x in layers))) == train


def test_what_others_read_stays(gpu):
    """The product is read a second time, or the sum before the ReLU is."""
    x = gpubp.Input((12,))
    dense = Dense(8)
    y = dense(x)
    two = gpubp.Model(x, [Dense(3)(gpubp.ops.relu(y)), Dense(2)(gpubp.ops.tanh(y))])
    assert all("relu" not in name for name in joined(two, "predict"))
    product = gpubp.ops.matmul(x, np.ones((12, 8), np.float32))
    row = np.arange(8, dtype=np.float32)
    one = gpubp.Model(x, Dense(3)(gpubp.ops.relu(product + row) * product))
    assert joined(one, "predict") == []
    expected = np.maximum(X @ np.ones((12, 8), np.float32) + row, 0) * (X @ np.ones((12, 8), np.float32))
    kernel, bias = one.get_weights()
    np.testing.assert_allclose(one.predict(X), expected @ kernel + bias, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("swapped", [False, True], ids=["bias last", "bias first"])
def test_a_bias_may_be_a_product_itself(gpu, swapped):
    row = np.arange(5, dtype=np.float32).reshape(1, 5)

    class Made(gpubp.layers.Layer):
        def build(self, shape):
            self.kernel, self.small = self.add_weight((shape[-1], 8)), self.add_weight((5, 8))

        def call(self, x):
            terms = ops.matmul(x, self.kernel), ops.matmul(row, self.small)
            return ops.relu(ops.add(*(terms[::-1] if swapped else terms)))

    model = drawn(Made(), Dense(3))
    assert joined(model, "predict") == ["matmul add relu"]
    kernel, small, last, bias = model.get_weights()
    np.testing.assert_allclose(
        model.predict(X), np.maximum(X @ kernel + row @ small, 0) @ last + bias, rtol=1e-4, atol=1e-4
    )


def step(v):
    """A variable changes that a product reads, and so does the bias; the places of what dies are taken over."""
    weight = ops.cast(ops.reshape(ops.arange(COLUMNS * COLUMNS), (COLUMNS, COLUMNS)) % 5 - 2, np.float64)
    hidden = ops.relu(v["full"] * 2 @ weight + v["row"])
    again = ops.matmul(hidden, weight) + v["row"]
    last = ops.matmul(again, weight)
    return [("row", v["row"] + ops.sum(last, 0)), ("full", last * 0.5), ("seen", last - 1)]


def test_places_of_values_that_meet_in_one_instruction(gpu):
    assert [i.name for i in build([step], epilogues=gpu.epilogues).parts[0].code if i.halves] == [
        "matmul add relu",
        "matmul add",
    ]
    assert_agreement([step], CUDA, device=gpu)


def test_the_product_comes_with_it(gpu):
    fitted(classifier, LABELS)
    assert set(epilogues(gpu)) == {None, "relu_bias"}
    gpu.record.clear()
    drawn(Dense(8), Dense(3)).predict(X)
    assert "bias" in epilogues(gpu)


@pytest.mark.parametrize("name", ["relu, Adam", "dropout", "wide output"])
def test_where_the_library_has_none_the_halves_give_the_same_bits(gpu, name):
    expected, _ = fitted(*CASES[name])
    gpu.refuses = lambda shape: shape.epilogue is not None
    gpu.record.clear()
    found, _ = fitted(*CASES[name])
    assert set(epilogues(gpu)) == {None}
    assert distance(found, expected) == 0


@pytest.mark.parametrize("name", ["relu, Adam", "regression"])
def test_where_the_library_takes_no_product_kernels_compute_it(gpu, name):
    gpu.refuses = lambda shape: True
    assert_agrees_with_the_cpu(name)
    assert epilogues(gpu) == []


def test_what_is_not_a_number_stays_so(gpu):
    x = X.copy()
    x[3, 4] = np.nan
    model = drawn(Dense(8, "relu"), Dense(3))
    found = model.predict(x)
    assert "relu_bias" in epilogues(gpu)
    assert np.isnan(found[3]).all()
    assert np.isfinite(np.delete(found, 3, axis=0)).all()


def test_explain_shows_it(gpu):
    model, _ = fitted(classifier, LABELS, epochs=1)
    explained = model.explain(16, analyze=True)
    (row,) = [row for row in explained.rows if row.ops == ("matmul", "add", "relu")]
    assert row.flops == 2 * 16 * 12 * 33 + 2 * 16 * 33
    assert row.layers == (model.layers[0].name,)
    assert row.seconds > 0
    assert "3 ops: matmul add relu" in str(explained)
