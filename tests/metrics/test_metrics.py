"""Every metric against scikit-learn or its formula: weights, batches, the compiled program, configurations."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gpubp
from gpubp import losses, metrics, ops
from gpubp.layers import sketch
from gpubp.metrics.means import Average, NamedMean

from .metric_cases import CASES

each_case = pytest.mark.parametrize("case", CASES, ids=repr)
VALUES_ONLY = {metrics.Mean, metrics.Sum}
ROWS = 24


def data(case, seed, rows=ROWS):
    """With both a one and a zero in every column, so that every score of scikit-learn is defined."""
    rng = np.random.default_rng(seed)
    y, p = case.data(rng, rows)
    if set(np.unique(y)) <= {0, 1} and case.data.__name__ != "one_hot":
        y[:2] = [[0], [1]] if y.ndim == 2 else [0, 1]
    return y, p, np.concatenate([[1.0, 0.5, 2.0, 1.0, 0.3], rng.choice([0.0, 0.3, 1.0, 2.0], rows - 5)])


def test_every_metric_is_met_by_the_table():
    assert {c.cls for c in CASES} | VALUES_ONLY == set(metrics.CLASSES.values())


@each_case
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(8, 40), dtype=st.sampled_from(["float32", "float64"]))
def test_metrics_are_scikit_learns(case, seed, rows, dtype):
    y, p, w = data(case, seed, rows)
    p = p.astype(dtype)
    for weights in (None, w, w[:, None]):
        found = case()(y, p, sample_weight=weights)
        ones = np.ones(rows) if weights is None else w
        np.testing.assert_allclose(found, case.oracle(y, p.astype(np.float64), ones), rtol=1e-6, atol=1e-6)


@each_case
def test_batches_add_up(case):
    y, p, w = data(case, 1)
    whole, metric = case()(y, p, w), case()
    for part in (slice(0, 7), slice(7, 8), slice(8, ROWS)):
        last = metric(y[part], p[part], w[part])
    np.testing.assert_allclose(last, whole, rtol=1e-12)
    np.testing.assert_array_equal(metric.result(), last)
    metric.reset_state()
    np.testing.assert_array_equal(metric(y, p, w), whole)


def anything(y_true, y_pred):
    return ops.mean(y_pred, axis=-1)


@each_case
def test_compiled_evaluation_in_batches_equals_all_rows_at_once(case):
    """The model gives out what it is given; the last of its batches is short."""
    y, p, w = data(case, 2)
    p, w = p.astype(np.float32), w.astype(np.float32)
    model = gpubp.Sequential([gpubp.Input(p.shape[1:]), gpubp.layers.Activation("linear")])
    model.compile("sgd", anything, metrics=[case(name="plain")], weighted_metrics=[case(name="weighted")])
    logs = model.evaluate(p, y, batch_size=10, sample_weight=w, return_dict=True, verbose=0)
    np.testing.assert_allclose(logs["plain"], case()(y, p), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(logs["weighted"], case()(y, p, w), rtol=1e-6, atol=1e-7)


@each_case
def test_a_configuration_makes_an_equal_metric(case):
    y, p, w = data(case, 3)
    metric = case(name="mine")
    config = metric.get_config()
    assert config == {**config, **case.arguments, "name": "mine"}
    again = metrics.get({"class_name": case.cls.__name__, "config": config})
    for same in (again, pickle.loads(pickle.dumps(metric)), copy.deepcopy(metric)):
        assert type(same) is case.cls
        assert same.get_config() == config
        np.testing.assert_array_equal(same(y, p, w), case()(y, p, w))


@each_case
def test_of_nothing_it_is_a_number(case):
    """Without rows seen, with rows of no weight, and without any one or any zero."""
    y, p, w = data(case, 4)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*too few to adjust.*", UserWarning)
        assert np.isfinite(case().result()).all()
        assert np.isfinite(case()(y, p, 0 * w)).all()
        assert np.isfinite(case()(y[:0], p[:0])).all()
    if case.data.__name__ in ("binary", "logits", "many"):
        assert np.isfinite(case()(0 * y, p)).all()
        assert np.isfinite(case()(0 * y + 1, p)).all()


def test_mean_and_sum_take_values():
    values, w = np.array([1.0, 2.0, 6.0]), np.array([1.0, 0.0, 0.5])
    assert metrics.Mean()(values) == 3
    assert metrics.Mean()(values, w) == pytest.approx(np.average(values, weights=w))
    assert (metrics.Sum()(values), metrics.Sum()(values, w)) == (9, 4)
    assert (metrics.Mean().result(), metrics.Sum().result()) == (0, 0)
    mean = metrics.Mean()
    mean.update_state(1.0)
    assert mean(3.0) == 2


def test_sums_keep_the_digits_of_many_float32_values():
    values = np.full(1_000_003, np.float32(0.1))
    assert metrics.Mean()(values) == pytest.approx(float(np.float32(0.1)), rel=1e-12)


def test_r2_keeps_the_variance_of_targets_far_from_0():
    """Float32 has no room for it beside squares of 2000."""
    rng = np.random.default_rng(0)
    y = (2000 + rng.standard_normal((1000, 1))).astype(np.float32)
    p = y + rng.standard_normal((1000, 1)).astype(np.float32)
    exact = 1 - np.sum((y - p).astype(float) ** 2) / np.sum((y.astype(float) - y.astype(float).mean()) ** 2)
    assert metrics.R2Score()(y, p) == pytest.approx(exact, rel=1e-6)


def test_r2_of_targets_that_do_not_vary():
    assert metrics.R2Score()([[3.0], [3.0]], [[3.0], [3.0]]) == 1
    assert metrics.R2Score()([[3.0], [3.0]], [[3.0], [4.0]]) == 0


def test_r2_says_when_rows_are_too_few_to_adjust():
    with pytest.warns(UserWarning, match="3 rows are too few to adjust R2 by 2 regressors"):
        assert metrics.R2Score(num_regressors=2)([[1.0], [2.0], [3.0]], [[1.0], [2.0], [3.0]]) == 1


def test_ties_count_as_in_the_top_k():
    z = np.array([[0.5, 0.5, 0.5, 0.1]] * 4)
    assert metrics.sparse_top_k_categorical_accuracy([0, 1, 2, 3], z, k=1).tolist() == [1, 1, 1, 0]
    assert metrics.sparse_top_k_categorical_accuracy([0, 1, 2, 3], z, k=3).tolist() == [1, 1, 1, 0]


def test_a_prediction_that_is_not_a_number_is_wrong():
    z = np.array([[np.nan, 0.5, 0.5]])
    assert metrics.sparse_top_k_categorical_accuracy([0], z, k=2).tolist() == [0]
    assert metrics.TruePositives()([1], [np.nan]) == 0
    assert metrics.FalseNegatives()([1], [np.nan]) == 1


def test_accuracy_breaks_ties_as_argmax_does():
    z = np.array([[1.0, 1.0], [0.0, 0.0]])
    assert metrics.accuracy(np.array([0, 1]), z).tolist() == [1, 0]
    assert metrics.categorical_accuracy(np.eye(2), z).tolist() == [1, 0]


def test_a_threshold_is_to_be_exceeded():
    assert metrics.binary_accuracy([[0.0], [1.0]], [[0.5], [0.6]]).tolist() == [[1], [1]]
    assert metrics.TruePositives()([1, 1], [0.5, 0.6]) == 1


def test_accuracy_ranks_logits_that_are_remembered():
    """Of these logits float32 has one softmax, the argmax of which is another class."""
    x = sketch.source((2,), np.float32)
    recorded = metrics.sparse_categorical_accuracy(ops.argmax(x, -1), ops.softmax(x))
    used, stack = set(), [recorded]
    while stack:
        symbol = stack.pop()
        used.add(symbol.op.name if symbol.op else "input")
        stack.extend(symbol.inputs)
    assert "exp" not in used


@pytest.mark.parametrize(
    ("identifier", "cls"),
    [
        ("accuracy", metrics.AccuracyByShape),
        ("acc", metrics.AccuracyByShape),
        ("Accuracy", metrics.AccuracyByShape),
        ("mse", metrics.MeanSquaredError),
        ("MSE", metrics.MeanSquaredError),
        ("rmse", metrics.RootMeanSquaredError),
        ("auc", metrics.AUC),
        ("AUC", metrics.AUC),
        ("f1_score", metrics.F1Score),
        ("fbeta_score", metrics.FBetaScore),
        ("r2_score", metrics.R2Score),
        ("logcosh", metrics.LogCoshError),
        ("sparse_top_k_categorical_accuracy", metrics.SparseTopKCategoricalAccuracy),
        ("TruePositives", metrics.TruePositives),
        *(
            (c.of.__name__, getattr(metrics, c.__name__.replace("LogCosh", "LogCoshError")))
            for c in losses.CLASSES.values()
        ),
    ],
)
def test_names(identifier, cls):
    metric = metrics.get(identifier)
    assert (type(metric), metric.name) == (cls, identifier)


def test_what_else_names_a_metric():
    def bias(y_true, y_pred):
        return ops.mean(y_pred - y_true, axis=-1)

    assert metrics.get(bias).name == "bias"
    assert metrics.get(bias)([[1.0], [2.0]], [[2.0], [4.0]], [1, 3]) == 1.75
    assert metrics.get(losses.Huber(2.0))([[0.0]], [[3.0]]) == 4
    assert metrics.get(metrics.Recall).name == "recall"
    recall = metrics.Recall()
    assert metrics.get(recall) is recall
    assert metrics.get({"class_name": "Accuracy"})([1, 2], [1, 3]) == 0.5
    with pytest.raises(ValueError, match="'bias' is a function of one's own"):
        metrics.get(bias).get_config()


def test_default_names_are_those_of_keras():
    names = {c.cls().name for c in CASES if c.cls is not metrics.ConfusionMatrix}
    assert names >= {"auc", "accuracy", "f1_score", "fbeta_score", "logcosh", "r2_score", "root_mean_squared_error"}
    assert {"precision", "top_k_categorical_accuracy", "kl_divergence", "true_positives"} <= names


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: metrics.get("acuracy"), ValueError, "unknown metric 'acuracy'; did you mean 'accuracy'"),
        (lambda: metrics.get({"class_name": "Recal"}), ValueError, "did you mean 'Recall'"),
        (lambda: metrics.get(3), ValueError, "a metric is a name, a function or an instance"),
        (lambda: metrics.Precision(thresholds=1.5), ValueError, "thresholds must be .* between 0 and 1; they are 1.5"),
        (lambda: metrics.Precision(thresholds=[]), ValueError, "thresholds must be"),
        (lambda: metrics.Recall(top_k=0), ValueError, "recall: k must be an int of at least 1; it is 0"),
        (lambda: metrics.Recall(class_id=3)(np.eye(2), np.eye(2)), ValueError, r"class_id must be in 0..1; it is 3"),
        (lambda: metrics.F1Score("micor"), ValueError, "average must be None, 'micro'"),
        (lambda: metrics.FBetaScore(beta=0), ValueError, "beta must be greater than 0; it is 0"),
        (lambda: metrics.F1Score(threshold=2), ValueError, "threshold must be greater than 0 and at most 1"),
        (lambda: metrics.F1Score()(np.zeros((2, 2, 2)), np.zeros((2, 2, 2))), ValueError, r"\(rows, classes\)"),
        (lambda: metrics.R2Score("mean"), ValueError, "class_aggregation must be"),
        (lambda: metrics.R2Score(num_regressors=-1), ValueError, "num_regressors must be at least 0"),
        (lambda: metrics.AUC(1), ValueError, "num_thresholds must be at least 2; it is 1"),
        (lambda: metrics.AUC(curve="RCO"), ValueError, "curve must be 'ROC' or 'PR'; it is 'RCO'"),
        (lambda: metrics.AUC(summation_method="sum"), ValueError, "summation_method must be one of interpolation"),
        (lambda: metrics.AUC(thresholds=[2.0]), ValueError, "thresholds must be between 0 and 1"),
        (lambda: metrics.AUC(multi_label=True)(np.zeros((2, 1, 2)), np.zeros((2, 1, 2))), ValueError, "multi_label"),
        (lambda: metrics.AUC(label_weights=[1, 2])([[1]], [[1]]), ValueError, "2 label_weights and 1 columns"),
        (lambda: metrics.ConfusionMatrix(0), ValueError, "num_classes"),
        (lambda: metrics.ConfusionMatrix(2)([2], [[0.5]]), IndexError, "the label 2 is not in 0..1"),
        (lambda: metrics.BinaryAccuracy("acc"), ValueError, "threshold must be a number; it is 'acc'"),
        (
            lambda: metrics.MeanSquaredError()([[1.0, 2.0]], [[1.0]]),
            ValueError,
            "mean_squared_error: targets must have",
        ),
        (lambda: metrics.Precision()([[1.0]], [[1.0]], [1, 2]), ValueError, "sample_weight has shape"),
        (lambda: metrics.Metric().sums([1], [1]), NotImplementedError, "Metric does not define sums"),
    ],
)
def test_errors_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_nothing_changes_where_an_update_raises():
    metric = metrics.MeanAbsoluteError()
    metric([[1.0]], [[2.0]])
    with pytest.raises(ValueError, match="targets must have the shape"):
        metric([[1.0, 2.0]], [[1.0]])
    assert metric.result() == 1


def test_bases_are_not_metrics_by_name():
    assert {metrics.Metric, metrics.MeanMetricWrapper, Average, NamedMean}.isdisjoint(metrics.CLASSES.values())
