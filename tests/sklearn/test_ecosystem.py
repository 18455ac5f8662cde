"""The estimators inside of what scikit-learn builds around estimators."""

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import AdaBoostClassifier, BaggingRegressor, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - it makes the import below work
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    HalvingRandomSearchCV,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, scale

from gpubp import optimizers
from gpubp.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
FAST = {"hidden_layer_sizes": 16, "max_iter": 40, "learning_rate_init": 0.02, "random_state": 0}


def iris():
    return load_iris(return_X_y=True)


def test_pipeline_with_columns_of_several_kinds():
    x, y = iris()
    mixed = np.concatenate([x.astype(object), np.array(["short", "long"])[(x[:, 2] > 3).astype(int)][:, None]], axis=1)
    columns = ColumnTransformer([("numbers", StandardScaler(), [0, 1, 2, 3]), ("kinds", OneHotEncoder(), [4])])
    assert make_pipeline(columns, MLPClassifier(**FAST)).fit(mixed, y).score(mixed, y) > 0.95


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_finds_the_same_in_several_processes(n_jobs):
    x, y = iris()
    grid = {"mlpclassifier__alpha": [1e-4, 30.0], "mlpclassifier__hidden_layer_sizes": [(8,), (16, 8)]}
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**FAST))
    search = GridSearchCV(pipeline, grid, cv=3, n_jobs=n_jobs).fit(x, y)
    assert search.best_params_["mlpclassifier__alpha"] == 1e-4
    assert search.best_score_ > 0.9
    again = cross_val_score(search.best_estimator_, x, y, cv=3)
    assert search.best_score_ == pytest.approx(again.mean(), rel=1e-12)


@pytest.mark.parametrize("search", [RandomizedSearchCV, HalvingRandomSearchCV])
def test_random_searches(search):
    x, y = iris()
    space = {"learning_rate_init": loguniform(1e-3, 1e-1), "solver": ["adam", optimizers.Lion(0.003)]}
    size = {"n_candidates": 4} if search is HalvingRandomSearchCV else {"n_iter": 4}
    found = search(MLPClassifier(**FAST), space, cv=2, random_state=0, **size).fit(scale(x), y)
    assert found.best_score_ > 0.8


def test_cross_validation():
    x, y = load_diabetes(return_X_y=True)
    y = scale(y)
    e = make_pipeline(StandardScaler(), MLPRegressor(**FAST))
    results = cross_validate(e, x, y, cv=3, scoring=["r2", "neg_mean_absolute_error"], return_estimator=True)
    assert results["test_r2"].min() > 0.2
    assert cross_val_predict(e, x, y, cv=3).shape == y.shape


def test_clones_are_unfitted_and_alike():
    x, y = iris()
    e = MLPClassifier(**FAST, solver=optimizers.Adam(0.01), activation=["gelu"], class_weight="balanced").fit(x, y)
    copy = clone(e)
    assert not hasattr(copy, "coefs_")
    assert copy.fit(x, y).loss_curve_ == e.loss_curve_


def test_ensembles():
    x, y = iris()
    x = scale(x)
    boosted = AdaBoostClassifier(MLPClassifier(**FAST), n_estimators=3, random_state=0).fit(x, y)
    assert boosted.score(x, y) > 0.95
    voting = VotingClassifier([(s, MLPClassifier(**FAST, solver=s)) for s in ("adam", "sgd", "lbfgs")], voting="soft")
    assert voting.fit(x, y).score(x, y) > 0.95
    x, y = load_diabetes(return_X_y=True)
    bagging = BaggingRegressor(MLPRegressor(**FAST), n_estimators=3, n_jobs=2, random_state=0).fit(scale(x), scale(y))
    assert bagging.score(scale(x), scale(y)) > 0.4


def test_calibration():
    x, y = iris()
    calibrated = CalibratedClassifierCV(MLPClassifier(**FAST), cv=3).fit(scale(x), y)
    np.testing.assert_allclose(calibrated.predict_proba(scale(x)).sum(1), 1)
    assert calibrated.score(scale(x), y) > 0.9


def test_permutation_importance_finds_what_matters():
    x = np.random.default_rng(0).normal(size=(300, 3))
    e = MLPRegressor(**FAST).fit(x, np.tanh(x[:, 0]) + 0.1 * x[:, 1])
    importance = permutation_importance(e, x, e.predict(x), n_repeats=3, random_state=0).importances_mean
    assert importance[0] > importance[1] > importance[2]


def test_targets_transformed_or_many():
    x, y = load_diabetes(return_X_y=True)
    e = TransformedTargetRegressor(MLPRegressor(**FAST), transformer=StandardScaler()).fit(scale(x), y)
    assert e.score(scale(x), y) > 0.4
    both = np.stack([scale(y), -scale(y)], 1)
    assert MultiOutputRegressor(MLPRegressor(**FAST)).fit(scale(x), both).score(scale(x), both) > 0.4


def test_weights_are_routed():
    x, y = iris()
    x, weights = scale(x), np.linspace(0.0, 2.0, len(y))
    with config_context(enable_metadata_routing=True):
        e = MLPClassifier(**FAST).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        routed = cross_val_score(make_pipeline(e), x, y, cv=3, params={"sample_weight": weights})
    by_hand = [
        MLPClassifier(**FAST).fit(x[train], y[train], weights[train]).score(x[test], y[test], weights[test])
        for train, test in StratifiedKFold(3).split(x, y)
    ]
    np.testing.assert_array_equal(routed, by_hand)


def test_frames_keep_the_names_of_their_columns():
    x, y = load_iris(return_X_y=True, as_frame=True)
    pipeline = make_pipeline(StandardScaler(), MLPClassifier(**FAST)).set_output(transform="pandas").fit(x, y)
    assert list(pipeline[-1].feature_names_in_) == list(x.columns)
    with pytest.warns(UserWarning, match="feature names"):
        pipeline[-1].predict(np.asarray(x))
    assert pipeline[:-1].transform(x).columns.equals(x.columns)
