"""Weights of rows and classes, several outputs, accumulation and short batches: against sums written out."""

import autograd.numpy as anp
import numpy as np
import pytest

import gpubp
from gpubp import Input, Model, Sequential, layers, losses
from gpubp.optimizers import SGD, Adam
from tests.models.oracle import LABELS, X, Y, descended, fit, flat, float64  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("float64")
W = np.random.default_rng(3).uniform(0, 2, 20)
W[[3, 11]] = 0.0


def linear(loss="mse", optimizer=None, classes=1, **options):
    gpubp.set_random_seed(0)
    model = Sequential([Input((4,)), layers.Dense(classes, None if classes == 1 else "softmax")])
    model.compile(optimizer or SGD(0.1), loss, **options)
    return model


def squared(w, x, y, s=None, over=len):
    """sum(s (y - p)^2) / the rows, or what `over` makes of the weights."""
    return (s[:, None] * (y - (x @ w[0] + w[1])) ** 2).sum() / over(s)


def crossentropy(w, x, onehot, s):
    z = x @ w[0] + w[1]
    logs = z - anp.log(anp.sum(anp.exp(z), axis=1, keepdims=True))
    return -anp.sum(s[:, None] * onehot * logs) / len(x)


def assert_close(model, wanted):
    for found, w in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_allclose(found, w, rtol=1e-9, atol=1e-12)


GIVEN = {
    "float64": lambda w: w,
    "a column": lambda w: w[:, None],
    "a list": lambda w: w.tolist(),
    "a list of one array": lambda w: [w],
    "a dict": lambda w: {"dense": w},
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight"])
def test_weights_of_rows(given, reduction):
    model = linear(losses.MeanSquaredError(reduction=reduction))
    over = len if reduction == "sum_over_batch_size" else np.sum
    wanted = descended(lambda w, x, y, s: squared(w, x, y, s, over), model.get_weights(), [X, Y, W])
    fit(model, X, Y, sample_weight=GIVEN[given](W))
    assert_close(model, wanted)


@pytest.mark.parametrize("labels", ["labels", "a column of labels", "one-hot"])
def test_weights_of_classes(labels):
    onehot = np.eye(3)[LABELS]
    y = {"labels": LABELS, "a column of labels": LABELS[:, None], "one-hot": onehot}[labels]
    model = linear("categorical_crossentropy" if labels == "one-hot" else "sparse_categorical_crossentropy", classes=3)
    by_class = np.array([0.5, 2.0, 0.0])
    wanted = descended(crossentropy, model.get_weights(), [X, onehot, by_class[LABELS]])
    fit(model, X, y, class_weight={0: 0.5, 1: 2.0, 2: 0})
    assert_close(model, wanted)
    model = linear("sparse_categorical_crossentropy", classes=3)
    wanted = descended(crossentropy, model.get_weights(), [X, onehot, by_class[LABELS] * W])
    fit(model, X, LABELS, class_weight={0: 0.5, 1: 2.0, 2: 0}, sample_weight=W)
    assert_close(model, wanted)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight"])
def test_weights_that_are_all_zero_change_nothing(reduction):
    """The mean over nothing is 0, and its gradient as well: no NaN, in whole batches or in all of them."""
    model = linear(losses.MeanSquaredError(reduction=reduction), weighted_metrics=["mae"])
    before = flat(model)
    assert fit(model, X, Y, sample_weight=np.zeros(20)).history == {"loss": [0.0, 0.0], "mae": [0.0, 0.0]}
    assert np.array_equal(flat(model), before)
    half = np.r_[np.zeros(8), np.ones(12)]
    over = len if reduction == "sum_over_batch_size" else lambda s: max(np.sum(s), 1e-300)
    wanted = descended(lambda w, x, y, s: squared(w, x, y, s, over), model.get_weights(), [X, Y, half])
    fit(model, X, Y, sample_weight=half)
    assert_close(model, wanted)


def test_means_of_an_epoch_weigh_batches_by_rows_or_weights_and_metrics_as_they_are_asked():
    model = linear(metrics=["mae"], weighted_metrics=["mae"])
    w, b = model.get_weights()
    error = (Y - X @ w - b)[:, 0]
    logs = model.evaluate(X, Y, batch_size=8, sample_weight=W, verbose=0, return_dict=True)
    assert logs == pytest.approx(
        {"loss": np.mean(W * error**2), "mae": np.mean(abs(error)), "mae_1": np.average(abs(error), weights=W)}
    )
    model.compile("sgd", losses.MeanSquaredError(reduction="mean_with_sample_weight"))
    assert model.evaluate(X, Y, batch_size=8, sample_weight=W, verbose=0) == pytest.approx(
        np.average(error**2, weights=W)
    )


def two_headed(**options):
    gpubp.set_random_seed(0)
    x = Input((4,))
    model = Model(x, [layers.Dense(1, name="u")(x), layers.Dense(1, name="v")(x)])
    model.compile(SGD(0.1), **{"loss": "mse", **options})
    return model


ONES = np.ones(20)
PER_OUTPUT = {
    "a list": ([W, ONES], (W, ONES)),
    "a list with None": ([W, None], (W, ONES)),
    "a dict of one": ({"v": W}, (ONES, W)),
    "one for all": (W, (W, W)),
    "a list of numbers for all": (W.tolist(), (W, W)),
}


@pytest.mark.parametrize("given", PER_OUTPUT)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight"])
def test_weights_for_each_output(given, reduction):
    passed, (u, v) = PER_OUTPUT[given]
    model = two_headed(loss=losses.MeanSquaredError(reduction=reduction), loss_weights=[1.0, 0.3])
    over = len if reduction == "sum_over_batch_size" else np.sum

    def loss(w, x, y, s, t):
        return squared(w[:2], x, y, s, over) + 0.3 * squared(w[2:], x, 2 * y, t, over)

    wanted = descended(loss, model.get_weights(), [X, Y, u, v])
    fit(model, X, [Y, 2 * Y], sample_weight=passed)
    assert_close(model, wanted)


def test_one_output_whose_weights_are_zero_does_not_silence_the_other():
    model = two_headed(loss=losses.MeanSquaredError(reduction="mean_with_sample_weight"))
    before = model.get_weights()
    wanted = descended(lambda w, x, y: squared(w, x, y, np.ones(len(x))), before[2:], [X, Y])
    fit(model, X, [Y, Y], sample_weight=[np.zeros(20), ONES])
    assert_close(model, [*before[:2], *wanted])


def test_an_output_that_nothing_measures_needs_no_target():
    for compiled, y in (
        ({"loss": {"u": "mse"}}, {"u": Y}),
        ({"loss": ["mse", None]}, [Y, None]),
        ({"loss": {"u": "mse"}}, [Y, Y]),
    ):
        model = two_headed(**compiled)
        before = model.get_weights()
        wanted = descended(lambda w, x, y: squared(w, x, y, np.ones(len(x))), before[:2], [X, Y])
        fit(model, X, y)
        assert_close(model, [*wanted, *before[2:]])
    with pytest.raises(ValueError, match=r"'u'.*no y"):
        two_headed(loss={"u": "mse"}).fit(X, [None, Y], verbose=0)
    with pytest.raises(ValueError, match=r"no \['v'\]"):
        two_headed().fit(X, {"u": Y}, verbose=0)


@pytest.mark.parametrize("weights", [None, W])
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize("rows", [20, 17])
def test_accumulated_batches_equal_the_big_batch_and_the_rest_of_an_epoch_is_applied(weights, reduction, rows):
    def model(batches):
        return linear(losses.MeanSquaredError(reduction=reduction), Adam(0.01, gradient_accumulation_steps=batches))

    small, big = model(4), model(None)
    weights = None if weights is None else weights[:rows]
    fit(small, X[:rows], Y[:rows], batch_size=2, epochs=3, sample_weight=weights)
    fit(big, X[:rows], Y[:rows], batch_size=8, epochs=3, sample_weight=weights)
    assert_close(small, big.get_weights())
    assert small.optimizer.iterations == big.optimizer.iterations == 9


def test_a_loss_summed_over_a_batch():
    model = linear(losses.MeanSquaredError(reduction="sum"), SGD(0.01))
    wanted = descended(lambda w, x, y: ((y - (x @ w[0] + w[1])) ** 2).sum(), model.get_weights(), [X, Y], 0.01)
    fit(model, X, Y)
    assert_close(model, wanted)


REFUSED = {
    "negative class weight": ({"class_weight": {0: -1}}, ValueError, r"class_weight\[0\] must be .* at least 0"),
    "class weight that is no number": ({"class_weight": {0: "3"}}, ValueError, "must be a number"),
    "class weights by name": ({"class_weight": {"a": 1}}, ValueError, "'a' is none"),
    "class weights that are no dict": ({"class_weight": "balanced"}, TypeError, "a dict of labels"),
    "weights of other rows": ({"sample_weight": np.ones(19)}, ValueError, "sample_weight has 19 rows"),
    "weights of too many axes": ({"sample_weight": np.ones((20, 3))}, ValueError, "one weight a row"),
    "NaN among weights": ({"sample_weight": np.full(20, np.nan)}, ValueError, "not finite"),
    "text as weights": ({"sample_weight": "abc"}, TypeError, "must hold numbers"),
    "a number as weights": ({"sample_weight": 1.0}, ValueError, "must have rows"),
    "weights of an unknown output": ({"sample_weight": {"denes": W}}, ValueError, "did you mean 'dense'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_weights_are_refused(case):
    options, kind, message = REFUSED[case]
    model = linear("sparse_categorical_crossentropy", classes=3)
    before = flat(model)
    with pytest.raises(kind, match=message):
        fit(model, X, LABELS, **options)
    assert np.array_equal(flat(model), before)
    assert model.iterations == 0
