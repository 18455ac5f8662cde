"""Areas under curves: how far from the exact ones, from below and above, and what precision against recall means."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from gpubp.metrics import AUC

RNG = np.random.default_rng(0)


def scores(rng, rows):
    y = np.append([0, 1], rng.integers(0, 2, rows))
    return y, np.clip(0.5 + 0.2 * (2 * y - 1) + 0.3 * rng.standard_normal(rows + 2), 0, 1), rng.uniform(0, 2, rows + 2)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 60), thresholds=st.integers(2, 30))
def test_it_is_as_near_to_the_exact_area_as_the_thresholds_let_it_be(seed, rows, thresholds):
    y, p, w = scores(np.random.default_rng(seed), rows)
    exact = sk.roc_auc_score(y, p, sample_weight=w)
    cell = np.maximum(np.ceil(p * (thresholds - 1)), 1)
    pairs = np.outer(w[y == 1], w[y == 0])
    bound = pairs[np.equal.outer(cell[y == 1], cell[y == 0])].sum() / pairs.sum() / 2
    assert abs(AUC(thresholds)(y, p, w) - exact) <= bound + 1e-9


def test_minoring_and_majoring_lie_on_either_side():
    y, p, w = scores(RNG, 300)
    low, between, high = (AUC(20, "ROC", method)(y, p, w) for method in ("minoring", "interpolation", "majoring"))
    assert low < between < high
    assert high - low < 0.1


def test_precision_against_recall_is_the_integral_of_interpolated_counts():
    """Davis and Goadrich: between two thresholds false positives grow linearly with true positives."""
    y, p, w = scores(RNG, 200)
    area = 0.0
    limits = AUC(11).thresholds
    hit = np.array([w[(y == 1) & (p > t)].sum() for t in limits])
    wrong = np.array([w[(y == 0) & (p > t)].sum() for t in limits])
    for k in range(len(limits) - 1):
        steps = np.linspace(0, 1, 20_001)[1:] - 0.5 / 20_000
        tp = hit[k + 1] + steps * (hit[k] - hit[k + 1])
        fp = wrong[k + 1] + steps * (wrong[k] - wrong[k + 1])
        area += np.mean(tp / (tp + fp)) * (hit[k] - hit[k + 1]) / hit[0]
    assert AUC(11, "PR")(y, p, w) == pytest.approx(area, rel=1e-6)


@pytest.mark.parametrize("method", ["minoring", "majoring"])
def test_precision_against_recall_by_steps(method):
    y, p, w = scores(RNG, 100)
    limits = AUC(11).thresholds
    above = p > limits[:, None]
    precision = np.array([np.average(y[a], weights=w[a]) if a.any() else 0.0 for a in above])
    recall = np.array([w[a & (y == 1)].sum() for a in above]) / w[y == 1].sum()
    choose = np.minimum if method == "minoring" else np.maximum
    area = np.sum((recall[:-1] - recall[1:]) * choose(precision[:-1], precision[1:]))
    assert AUC(11, "PR", method)(y, p, w) == pytest.approx(area)


def test_the_thresholds_are_those_of_keras():
    assert AUC(5).thresholds.tolist() == [-1e-7, 0.25, 0.5, 0.75, 1 + 1e-7]
    assert AUC(thresholds=[0.6, 0.2]).thresholds.tolist() == [-1e-7, 0.2, 0.6, 1 + 1e-7]
    assert len(AUC().thresholds) == 200


def test_without_ones_or_zeros_it_is_0():
    for exact in (False, True):
        for curve in ("ROC", "PR"):
            assert AUC(curve=curve, exact=exact)([0, 0], [0.2, 0.7]) == 0
        assert AUC(exact=exact)([1, 1], [0.2, 0.7]) == 0


def test_ties_count_half():
    assert AUC(exact=True)([0, 1], [0.5, 0.5]) == 0.5
    assert AUC(exact=True)([0, 1, 1, 0], [0.5, 0.5, 0.5, 0.5], [1, 2, 0, 3]) == 0.5


def test_the_exact_area_collects_rows():
    metric = AUC(exact=True)
    assert metric.collect == ("y_true", "y_pred", "sample_weight")
    y, p, w = scores(RNG, 40)
    for part in (slice(0, 10), slice(10, None)):
        metric.update_state(y[part], p[part], w[part])
    assert metric.result() == pytest.approx(sk.roc_auc_score(y, p, sample_weight=w))
    assert metric.compute(AUC(exact=True).sums(y, p, w)) == pytest.approx(metric.result())
    assert AUC().collect == ()
