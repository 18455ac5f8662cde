"""Regions of few columns, which are written out column by column: as many rows as fill vectors, and odd ones."""

import numpy as np
import pytest

import gpubp
from gpubp import ops
from gpubp.engine.executors.lower import lower
from gpubp.kernels.cpu import narrow


def loss(p, x, y):
    z = x * p["scale"] + p["shift"]
    hit = ops.label_mask(y, x.shape[-1])
    return ops.sum(ops.logsumexp(z, -1) - ops.sum(ops.where(hit, z, 0.0), axis=-1)) + ops.sum(ops.max(z * z, axis=-1))


def given(rows, columns, dtype):
    rng = np.random.default_rng(columns)
    p = {name: rng.standard_normal(columns).astype(dtype) for name in ("scale", "shift")}
    return p, rng.standard_normal((rows, columns)).astype(dtype), rng.integers(0, columns, rows)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("columns", [2, 3, 10, 16, 17])
@pytest.mark.parametrize("rows", [1, 7, 67])
def test_a_loss_and_its_gradients_equal_the_reference(rows, columns, dtype):
    p, x, y = given(rows, columns, dtype)
    found, wanted = (gpubp.value_and_grad(loss, executor=e)(p, x, y) for e in ("auto", "reference"))
    for a, b in zip((found[0], *found[1].values()), (wanted[0], *wanted[1].values()), strict=True):
        assert np.linalg.norm(a - b) <= 40 * np.finfo(dtype).eps * np.linalg.norm(b)


@pytest.mark.parametrize("label", [-1, 4])
def test_a_label_out_of_range_is_told(label):
    p, x, y = given(40, 4, np.float32)
    y[17] = label
    with pytest.raises(ValueError, match=rf"label {label} is not in 0\.\.3"):
        gpubp.value_and_grad(loss)(p, x, y)


def test_numbers_of_columns_that_others_read_are_kept():
    """One region makes them and a product reads what another makes of them."""

    def confusion(y, p):
        chosen = ops.one_hot(ops.argmax(p, -1), 4, dtype="float64")
        return ops.transpose(ops.one_hot(y, 4, dtype="float64")) @ chosen, ops.sum(p, axis=0)

    p, y = np.random.default_rng(0).random((23, 4)), np.random.default_rng(1).integers(0, 4, 23)
    wanted = np.zeros((4, 4))
    np.add.at(wanted, (y, p.argmax(1)), 1)
    weighted = gpubp.compile(lambda y, p, w: (confusion(y, p)[0], confusion(y, p * w)[0], ops.mean(p * w)))
    for found in weighted(y, p, np.ones((23, 1)))[:2]:
        assert np.array_equal(found, wanted)


def test_nan_and_infinity_go_through():
    x = np.random.default_rng(0).standard_normal((50, 5))
    x[3, 1], x[20, 2], x[21, 0] = np.nan, np.inf, -np.inf
    f = lambda x: (ops.max(x, axis=-1), ops.softmax(x), ops.sum(x, axis=0))  # noqa: E731
    for found, wanted in zip(gpubp.compile(f)(x), gpubp.compile(f, "reference")(x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


def sequential():
    model = gpubp.Sequential([gpubp.Input((64,)), gpubp.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def estimators():
    """With a loss that is reported otherwise than it is minimised: more steps, most of them once a row."""
    from gpubp.sklearn import MLPClassifier, network

    MLPClassifier(hidden_layer_sizes=(), max_iter=1, tol=1e9).fit(np.ones((10, 64)), np.arange(10))
    return network._waiting[-1][1].model


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("made", [sequential, estimators])
def test_the_loss_of_a_classifier_is_written_so(made):
    model = made()
    (part,) = (p for p in model.program(200).parts if p.name == "forward_backward")
    regions = [i for i in part.code if i.region and i.region.columns == 10 and i.region.rows != 64]
    assert [narrow.suits(lower(i, part.places, 200).kernel, 10) for i in regions] == [True]
