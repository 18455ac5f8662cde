"""Every loss against its formula: values, weights, reductions, gradients, the compiled program, configurations."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

import gpubp
from gpubp import losses, metrics, ops
from gpubp.layers import sketch

from .cases import CASES

each_case = pytest.mark.parametrize("case", CASES, ids=repr)
RNG = np.random.default_rng(0)
SOME = sketch.source((4,), np.float32)
MORE = ops.concatenate([SOME, SOME], axis=0)  # twice as many rows


def test_every_loss_is_met_by_the_table():
    assert {c.cls for c in CASES} == set(losses.CLASSES.values())
    assert {c for c in vars(losses).values() if isinstance(c, type) and c.__module__.startswith("gpubp.losses")} == {
        losses.Loss,
        losses.FunctionLoss,
        losses.NamedLoss,
        *losses.CLASSES.values(),
    }


@each_case
@settings(max_examples=15, deadline=None)
@given(
    rows=st.integers(1, 7),
    columns=st.integers(1, 5),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_values_are_those_of_the_formula(case, rows, columns, dtype, seed):
    y, p = case.data(np.random.default_rng(seed), rows, columns)
    p = p.astype(dtype)
    values = case(reduction=None)(y, p)
    assert values.dtype == dtype
    wanted = case.oracle(y, p.astype(np.float64))
    assert values.shape == np.shape(wanted)
    rtol, atol = (2e-5, 2e-6) if dtype == "float32" else (1e-7, 1e-9)
    np.testing.assert_allclose(values, wanted, rtol, atol)
    function = getattr(losses, case.cls.of.__name__)
    np.testing.assert_array_equal(function(y, p, **case.arguments), values)


@each_case
def test_the_gradient_is_that_of_finite_differences(case):
    y, p = case.data(np.random.default_rng(3), 5, 3)
    for weights in (None, np.array([1.0, 0.0, 2.0, 0.5, 3.0])):
        if np.ndim(case.oracle(y, p)):
            gpubp.gradcheck(lambda p, w=weights: case(reduction="sum")(y, p, w), p)
    gpubp.gradcheck(lambda p: case()(y, p), p)


@each_case
def test_recorded_and_compiled_equals_computed_at_once(case):
    y, p = case.data(np.random.default_rng(4), 6, 3)
    loss = case(reduction="mean_with_sample_weight")
    arguments = (y, p, RNG.uniform(0, 2, 6)) if np.ndim(case.oracle(y, p)) else (y, p)
    compiled = gpubp.compile(lambda *a: [loss(*a), *loss.terms(*a)])(*arguments)
    np.testing.assert_allclose(compiled, [loss(*arguments), *loss.terms(*arguments)], rtol=1e-12)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
@pytest.mark.parametrize(
    "case", [c for c in CASES if c.cls in (losses.Huber, losses.SparseCategoricalCrossentropy)], ids=repr
)
def test_compiled_evaluation_in_batches_equals_all_rows_at_once(case, reduction):
    """The model gives out what it is given; the last of its batches is short."""
    y, p = case.data(np.random.default_rng(4), 24, 3)
    p, w = p.astype(np.float32), RNG.uniform(0, 2, 24).astype(np.float32)
    model = gpubp.Sequential([gpubp.Input(p.shape[1:]), gpubp.layers.Activation("linear")])
    model.compile("sgd", case(reduction=reduction))
    found = model.evaluate(p, y, batch_size=10, sample_weight=w, verbose=0)
    wanted = case(reduction=reduction)(y, p, w)
    if reduction == "sum":  # of a batch, which counts by its rows, as in Keras
        batches = [slice(0, 10), slice(10, 20), slice(20, 24)]
        values = [case(reduction="sum")(y[b], p[b], w[b]) for b in batches]
        wanted = np.average(values, weights=[10, 10, 4])
    assert found == pytest.approx(wanted, rel=1e-5)


@each_case
def test_a_configuration_makes_an_equal_loss(case):
    y, p = case.data(np.random.default_rng(5), 4, 3)
    loss = case(name="mine", reduction="sum")
    config = loss.get_config()
    assert config == {**config, **case.arguments, "name": "mine", "reduction": "sum"}
    again = losses.get({"class_name": case.cls.__name__, "config": config})
    for same in (again, pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert type(same) is case.cls
        assert same.get_config() == config
        assert same(y, p) == loss(y, p)


ROWS = st.integers(1, 6)
RAGGED = [c for c in CASES if c.arguments.get("axis", -1) == -1 and c.cls not in (losses.Dice, losses.Tversky)]


@pytest.mark.parametrize("case", RAGGED, ids=repr)
@settings(max_examples=10, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 2**32 - 1), column=st.booleans())
def test_reductions_are_those_of_weighted_values(case, rows, seed, column):
    rng = np.random.default_rng(seed)
    y, p = case.data(rng, rows, 3)
    w = rng.choice([0.0, 1.0, 2.5], rows)
    values, valid = case.oracle(y, p), y != case.arguments.get("ignore_class", np.nan)
    valid = valid if valid.ndim == 1 else np.ones(rows, bool)
    given_w = w[:, None] if column else w

    def wanted(total, divisor):
        return pytest.approx(total / divisor if divisor else 0.0, rel=1e-6, abs=1e-8)

    weighted = np.sum(values * w)
    assert case()(y, p) == wanted(values.sum(), valid.sum())
    assert case(reduction="mean")(y, p, given_w) == wanted(weighted, valid.sum())
    assert case(reduction="mean_with_sample_weight")(y, p) == wanted(values.sum(), valid.sum())
    assert case(reduction="mean_with_sample_weight")(y, p, given_w) == wanted(weighted, (w * valid).sum())
    assert case(reduction="sum")(y, p, given_w) == wanted(weighted, 1)
    np.testing.assert_allclose(case(reduction="none")(y, p, given_w), values * w, 1e-6, 1e-8)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
def test_terms_of_batches_add_up_to_those_of_all_rows(reduction):
    y, p, w = RNG.standard_normal((9, 2)), RNG.standard_normal((9, 2)), RNG.uniform(0, 2, 9)
    loss = losses.Huber(reduction=reduction)
    parts = [loss.terms(y[a:b], p[a:b], w[a:b]) for a, b in ((0, 4), (4, 9))]
    total, divisor = (sum(part[k] for part in parts) for k in range(2))
    divisor = 1 if reduction == "sum" else divisor
    assert total / divisor == pytest.approx(loss(y, p, w))


def test_a_row_has_one_weight_for_all_its_positions():
    y, p, w = RNG.standard_normal((3, 4, 2)), RNG.standard_normal((3, 4, 2)), np.array([1.0, 0.0, 2.0])
    values = np.mean((y - p) ** 2, -1)
    by_position = RNG.uniform(0, 2, (3, 4))
    assert losses.MeanSquaredError(reduction="sum")(y, p, w) == pytest.approx(np.sum(values * w[:, None]))
    mean = losses.MeanSquaredError(reduction="mean_with_sample_weight")
    assert mean(y, p, w) == pytest.approx(np.average(values, weights=np.broadcast_to(w[:, None], (3, 4))))
    assert mean(y, p, by_position) == pytest.approx(np.average(values, weights=by_position))


@pytest.mark.parametrize(
    ("loss", "score"),
    [
        ("mse", sk.mean_squared_error),
        ("mae", sk.mean_absolute_error),
        ("msle", lambda y, p, sample_weight: sk.mean_squared_log_error(y, p, sample_weight=sample_weight)),
        ("quantile", lambda y, p, sample_weight: sk.mean_pinball_loss(y, p, sample_weight=sample_weight)),
    ],
)
def test_weighted_means_are_scikit_learns(loss, score):
    y, p, w = RNG.uniform(0.1, 3, 50), RNG.uniform(0.1, 3, 50), RNG.uniform(0, 2, 50)
    found = losses.CLASSES[type(losses.get(loss)).__name__](reduction="mean_with_sample_weight")(y, p, w)
    assert found == pytest.approx(score(y, p, sample_weight=w), rel=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_probabilities_of_0_and_1_have_finite_losses_and_gradients(dtype):
    y, p = np.array([[1.0], [0.0], [1.0], [0.0]]), np.array([[0.0], [1.0], [1.0], [0.0]], dtype)
    worst, best = (-np.log(np.asarray(x, dtype)) for x in (1e-7, 1 - 1e-7))
    values = losses.BinaryCrossentropy(reduction=None)(y, p)
    np.testing.assert_allclose(values, [worst, -np.log1p(-np.asarray(1 - 1e-7, dtype)), best, best], rtol=1e-5)
    for case in CASES:
        if case.data.__name__ in ("shares", "distributions", "probabilities") and not case.arguments.get("from_logits"):
            targets, _ = case.data(np.random.default_rng(0), 6, 2)
            columns = 3 if targets.ndim == 1 else targets.shape[1]
            extreme = np.eye(columns, dtype=dtype)[np.arange(6) % columns]
            loss = gpubp.value_and_grad(lambda p, c=case, t=targets: c()(t, p), executor="reference")
            value, gradient = loss(extreme)
            assert np.isfinite(value), case
            assert np.isfinite(gradient).all(), case


def test_a_vector_of_zeros_has_no_direction():
    value, gradient = gpubp.value_and_grad(lambda p: losses.CosineSimilarity()([[1.0, 2.0]], p))(np.zeros((1, 2)))
    assert value == 0
    assert np.isfinite(gradient).all()


def test_log_cosh_does_not_overflow():
    assert losses.LogCosh()([[0.0]], [[-1000.0]]) == pytest.approx(1000 - np.log(2))


def test_what_a_0_means_to_hinge_does_not_depend_on_other_rows():
    y, p = np.array([[0.0], [1.0], [-1.0]]), np.array([[0.5], [0.5], [0.5]])
    values = losses.hinge(y, p)
    assert values.tolist() == [1.5, 0.5, 1.5]
    assert [losses.hinge(y[k : k + 1], p[k : k + 1])[0] for k in range(3)] == values.tolist()


def test_integer_predictions_count_as_float32():
    loss = losses.MeanSquaredError()([[1.5]], [[2]])
    assert (loss, loss.dtype) == (0.25, np.float32)
    assert losses.MeanSquaredError(dtype="float64")([[1.5]], np.array([[2]], np.float32)).dtype == np.float64


def test_without_rows_or_weights_a_mean_is_0():
    assert losses.MeanSquaredError()(np.zeros((0, 2)), np.zeros((0, 2))) == 0
    mean = losses.MeanSquaredError(reduction="mean_with_sample_weight")
    assert mean([[1.0]], [[2.0]], [0.0]) == 0
    value, gradient = gpubp.value_and_grad(lambda p, w: mean([[1.0]], p, w))(np.array([[2.0]]), np.zeros(1))
    assert (value, gradient.tolist()) == (0, [[0]])
    ignoring = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    assert ignoring([-1], [[0.5, 0.5]]) == 0


def test_a_label_out_of_range_is_refused_unless_it_is_ignored():
    for label in (-1, 2):
        with pytest.raises(IndexError, match=f"the label {label} is not in 0..1"):
            losses.SparseCategoricalCrossentropy()([label], [[0.5, 0.5]])
        assert losses.SparseCategoricalCrossentropy(ignore_class=label)([label, 0], [[1, 0], [0.5, 0.5]]) > 0


def test_functions_of_ones_own():
    def cubed(y_true, y_pred, factor=1.0):
        return factor * ops.mean(ops.abs(y_pred - y_true) ** 3, axis=-1)

    loss = losses.get(cubed)
    assert loss.name == "cubed"
    assert loss([0.0, 1.0], [[2.0], [3.0]]) == 8
    assert losses.FunctionLoss(cubed, reduction="sum", factor=2.0)([[0.0], [1.0]], [[2.0], [3.0]]) == 32
    with pytest.raises(ValueError, match="'cubed' is a function of one's own"):
        loss.get_config()


def test_all_can_be_shown():
    assert repr(losses.get(lambda y, p: y)) == "<FunctionLoss '<lambda>'>"
    assert repr(losses.Huber(name="mine")) == "<Huber 'mine'>"


def test_names_are_those_of_keras():
    for name, cls in {"mse": "MeanSquaredError", "KLD": "KLDivergence", "huber": "Huber", "Dice": "Dice"}.items():
        assert type(losses.get(name)).__name__ == cls
    assert losses.get(losses.Hinge).name == "hinge"
    loss = losses.Huber(0.5)
    assert losses.get(loss) is loss
    assert losses.Huber(0.5, "sum", "mine").get_config() == loss.get_config() | {"reduction": "sum", "name": "mine"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: losses.get("mean_sqared_error"), ValueError, "unknown loss .*did you mean 'mean_squared_error'"),
        (lambda: losses.get({"class_name": "Hubber"}), ValueError, "unknown loss class .*did you mean 'Huber'"),
        (lambda: losses.get(3), ValueError, "a loss is a name, a function or an instance"),
        (lambda: losses.Huber(reduction="average"), ValueError, "reduction must be one of .*it is 'average'"),
        (lambda: losses.Huber(delta=0), ValueError, "huber_loss: delta must be greater than 0; it is 0"),
        (lambda: losses.huber([1.0], [2.0], -1.0), ValueError, "huber: delta must be greater than 0; it is -1"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=1.5), ValueError, "label_smoothing must be between 0 and 1"),
        (lambda: losses.BinaryCrossentropy(from_logits="yes"), ValueError, "from_logits must be True or False"),
        (lambda: losses.Quantile(1.0), ValueError, "quantile must be between 0 and 1"),
        (lambda: losses.CategoricalFocalCrossentropy(alpha=[0.5, -1]), ValueError, "alpha must be at least 0"),
        (lambda: losses.BinaryFocalCrossentropy(gamma=-1), ValueError, "gamma must be at least 0"),
        (lambda: losses.SparseCategoricalCrossentropy(ignore_class=0.5), ValueError, "ignore_class must be an int"),
        (lambda: losses.Huber(detla=1), TypeError, "detla"),
        (lambda: losses.Loss()([1.0], [1.0]), NotImplementedError, "Loss does not define call"),
        (lambda: losses.Huber(reduction=None).terms([1.0], [1.0]), ValueError, "training needs a scalar"),
        (
            lambda: losses.MeanSquaredError()(np.zeros((3, 1)), np.zeros((3, 2))),
            ValueError,
            r"mean_squared_error: targets must have the shape of the predictions, \(3, 2\); they have shape \(3, 1\)",
        ),
        (
            lambda: losses.MeanSquaredError()(np.zeros((3, 2)), np.zeros((3, 2)), np.ones(2)),
            ValueError,
            r"sample_weight has shape \(2,\), which does not fit values of shape \(3,\)",
        ),
        (lambda: losses.get(lambda y, p: None)([1.0], [1.0]), TypeError, "<lambda> returns None; .*one value for each"),
        (
            lambda: metrics.get(lambda y, p: None)([1.0], [1.0]),
            TypeError,
            "<lambda> returns None; .*one value for each",
        ),
        (
            lambda: losses.MeanSquaredError()(SOME, MORE),
            ValueError,
            r"predictions, \(2\*B, 4\); they have shape \(B, 4\)",
        ),
        (lambda: SOME + MORE, ValueError, r"shapes \(B, 4\) and \(2\*B, 4\) do not broadcast"),
        (
            lambda: losses.CategoricalCrossentropy()([1, 0], np.ones((2, 2))),
            ValueError,
            "use SparseCategoricalCrossentropy",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy()(np.eye(2), np.ones((2, 2))),
            ValueError,
            "use CategoricalCrossentropy",
        ),
        (
            lambda: losses.SparseCategoricalCrossentropy()([1.0, 0.5], np.ones((2, 2))),
            ValueError,
            r"takes integer labels; the first that is none is 0\.5 \(row 1\)",
        ),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sparse_categorical_crossentropy", "sparse_categorical_accuracy"])
def test_labels_may_be_floats_that_are_integers(dtype, name):
    y, p = np.array([2, 0, 1]), RNG.uniform(0.1, 1, (3, 3))
    function = getattr(losses, name, None) or getattr(gpubp.metrics, name)
    wanted = function(y, p)
    np.testing.assert_array_equal(function(y.astype(dtype), p), wanted)
    np.testing.assert_allclose(gpubp.compile(function)(y.astype(dtype), p), wanted, 1e-12)


def test_floats_that_are_no_labels_stop_a_compiled_function():
    loss = gpubp.compile(losses.sparse_categorical_crossentropy)
    for label in (0.5, np.nan, np.inf):
        with pytest.raises(ValueError, match=r"is not in 0\.\.2"):
            loss(np.array([1.0, label]), np.ones((2, 3)))
