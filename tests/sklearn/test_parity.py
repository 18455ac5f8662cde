"""With scikit-learn's initial weights and orders of rows, training follows scikit-learn's step by step."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from sklearn import neural_network as theirs
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_multilabel_classification
from sklearn.preprocessing import scale

import gpubp.sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
EPOCHS = {"max_iter": 12, "hidden_layer_sizes": (16, 8), "random_state": 3}


def data(name):
    """The estimator's name, inputs and targets."""
    if name == "diabetes":
        x, y = load_diabetes(return_X_y=True)
        return "MLPRegressor", scale(x), scale(y)
    if name == "two numbers":
        x, y = load_diabetes(return_X_y=True)
        return "MLPRegressor", scale(x), np.stack([scale(y), x[:, 2] * 10 - 1], 1)
    if name == "counts":
        x, y = load_diabetes(return_X_y=True)
        return "MLPRegressor", scale(x), np.round(y / 40)
    if name == "labels":
        return "MLPClassifier", *make_multilabel_classification(200, random_state=1)
    x, y = {"iris": load_iris, "cancer": load_breast_cancer}[name](return_X_y=True)
    return "MLPClassifier", scale(x), y


def pair(name, dtype=np.float64, sparse=False, weighted=False, **parameters):
    """Both estimators, fitted alike."""
    kind, x, y = data(name)
    x = x.astype(dtype)
    weights = np.random.default_rng(0).uniform(0.2, 2.0, len(x)) if weighted else None
    x = scipy.sparse.csr_matrix(x * (np.abs(x) > 0.5)) if sparse else x
    chosen = EPOCHS | parameters
    their = getattr(theirs, kind)(**chosen).fit(x, y, sample_weight=weights)
    our = getattr(ours, kind)(**chosen, rng="sklearn").fit(x, y, sample_weight=weights)
    return their, our, x


def follows(their, our, x, tolerance):
    assert our.n_iter_ == their.n_iter_
    assert our.t_ == their.t_
    np.testing.assert_allclose(our.loss_curve_, their.loss_curve_, rtol=tolerance)
    for a, b in zip(our.coefs_ + our.intercepts_, their.coefs_ + their.intercepts_, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=10 * tolerance * np.abs(b).max())
    outputs = "predict_proba" if hasattr(their, "predict_proba") else "predict"
    np.testing.assert_allclose(getattr(our, outputs)(x), getattr(their, outputs)(x), rtol=0, atol=100 * tolerance)


OPTIONS = [
    {},
    {"solver": "sgd"},
    {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False},
    {"solver": "sgd", "momentum": 0.0, "learning_rate_init": 0.1},
    {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3, "learning_rate_init": 0.5},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1, "max_iter": 40},
    {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3},
    {"beta_1": 0.0, "beta_2": 0.0},
    {"batch_size": 32},
    {"batch_size": 32, "shuffle": False},
    {"batch_size": 1, "max_iter": 3},
    {"alpha": 0.0},
    {"alpha": 3.0},
    {"hidden_layer_sizes": 7},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (12, 9, 5)},
    {"tol": 0.05, "n_iter_no_change": 2, "max_iter": 60},
    {"early_stopping": True},
    {"early_stopping": True, "validation_fraction": 0.3, "tol": 0.01, "n_iter_no_change": 2, "max_iter": 60},
    {"early_stopping": True, "solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 1, "max_iter": 40},
]


@pytest.mark.parametrize("parameters", OPTIONS, ids=lambda p: ", ".join(f"{k}={v}" for k, v in p.items()) or "default")
@pytest.mark.parametrize("name", ["iris", "cancer", "diabetes"])
def test_every_option_follows_scikit_learn(name, parameters):
    their, our, x = pair(name, **parameters)
    follows(their, our, x, 1e-9)
    for attribute in ("best_loss_", "best_validation_score_", "validation_scores_"):
        expected = getattr(their, attribute)
        assert getattr(our, attribute) == (expected if expected is None else pytest.approx(expected, rel=1e-7))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-9), (np.float32, 1e-4)])
def test_activations_in_both_precisions(dtype, tolerance, solver, activation):
    their, our, x = pair("iris", dtype, activation=activation, solver=solver, batch_size=40)
    follows(their, our, x, tolerance)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["iris", "cancer", "labels", "diabetes", "two numbers"])
def test_targets_weights_and_sparse_inputs(name, weighted, sparse):
    follows(*pair(name, sparse=sparse, weighted=weighted, batch_size=64, alpha=0.1), 1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_poisson(weighted):
    follows(*pair("counts", weighted=weighted, loss="poisson"), 1e-9)


@pytest.mark.parametrize("name", ["iris", "cancer", "diabetes"])
def test_epochs_by_hand_and_warm_starts(name):
    kind, x, y = data(name)
    both = [getattr(theirs, kind)(**EPOCHS), getattr(ours, kind)(**EPOCHS, rng="sklearn")]
    classes = {"classes": np.unique(y)} if kind == "MLPClassifier" else {}
    for estimator in both:
        for _ in range(3):
            estimator.partial_fit(x, y, **classes)
    follows(*both, x, 1e-9)
    for estimator in both:
        estimator.set_params(warm_start=True).fit(x, y).fit(x, y)
    follows(*both, x, 1e-9)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["iris", "diabetes"])
def test_what_fitting_sets(name, early_stopping, solver):
    their, our, _ = pair(name, solver=solver, early_stopping=early_stopping)
    public = [{n for n in vars(e) if n.endswith("_")} for e in (their, our)]
    assert public[1] - public[0] == {"validation_loss_curve_"}
    assert public[0] <= public[1]
    our.set_params(warm_start=True, solver="sgd").fit(*data(name)[1:])
    assert len(our.loss_curve_) >= our.n_iter_


class Evaluations(list):
    """The losses at the points where SciPy's minimiser asks for them: a list for each of its calls."""

    def __init__(self, monkeypatch):
        minimize = scipy.optimize.minimize

        def watched(function, *given, **options):
            def recording(x, *arguments):
                value, gradient = function(x, *arguments)
                self[-1].append(value)
                return value, gradient

            self.append([])
            return minimize(recording, *given, **options)

        monkeypatch.setattr(scipy.optimize, "minimize", watched)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["iris", "cancer", "labels", "diabetes", "two numbers", "counts"])
def test_lbfgs(name, weighted, activation, monkeypatch):
    evaluations = Evaluations(monkeypatch)
    loss = {"loss": "poisson"} if name == "counts" else {}
    options = {"weighted": weighted, "activation": activation, "solver": "lbfgs", "alpha": 0.01, "max_iter": 60}
    their, our, _ = pair(name, **options, **loss)
    theirs_losses, our_losses = evaluations
    assert min(len(theirs_losses), len(our_losses)) >= 10
    np.testing.assert_allclose(our_losses[:10], theirs_losses[:10], rtol=1e-9)
    assert our.loss_ == pytest.approx(their.loss_, rel=1e-2)


def test_lbfgs_ends_at_the_same_limits():
    for limit in ({"max_fun": 10}, {"max_iter": 7}, {"tol": 0.1}):
        their, our, _ = pair("iris", solver="lbfgs", **{"max_iter": 200} | limit)
        assert our.n_iter_ == their.n_iter_
        assert our.loss_ == pytest.approx(their.loss_, rel=1e-9)
