"""Estimators from scikit-learn and back, as models, in files."""

import io
import pickle

import joblib
import numpy as np
import pytest
from sklearn import neural_network as theirs
from sklearn.datasets import load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale

import gpubp
import gpubp.sklearn as ours

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NAMES = ["MLPClassifier", "MLPRegressor"]


def data(name):
    if name == "MLPClassifier":
        x, y = load_iris(return_X_y=True)
        return scale(x), y
    x, y = load_diabetes(return_X_y=True)
    return scale(x), scale(y)


def outputs(estimator, x):
    return estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else estimator.predict(x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_predictions_of_a_fitted_one_taken_over_and_given_back_agree(name, dtype):
    x, y = data(name)
    x = x.astype(dtype)
    their = getattr(theirs, name)(hidden_layer_sizes=(9, 5), activation="tanh", max_iter=20, random_state=1).fit(x, y)
    our = ours.from_sklearn(their)
    back = our.to_sklearn()
    assert type(back) is type(their)
    assert back.get_params() == their.get_params()
    tolerance = 100 * np.finfo(dtype).eps
    for estimator in (our, back):
        np.testing.assert_allclose(outputs(estimator, x), outputs(their, x), rtol=tolerance, atol=tolerance)
    our.coefs_[0][...] = 0
    assert their.coefs_[0].any()
    assert back.coefs_[0].any()


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("name", NAMES)
def test_training_goes_on_where_scikit_learn_left_it(name, solver):
    x, y = data(name)
    their = getattr(theirs, name)(
        hidden_layer_sizes=(9,), solver=solver, max_iter=5, random_state=1, learning_rate_init=0.01
    ).fit(x, y)
    our = ours.from_sklearn(their).set_params(rng="sklearn")
    for _ in range(3):
        their.partial_fit(x, y)
        our.partial_fit(x, y)
    np.testing.assert_allclose(our.loss_curve_, their.loss_curve_, rtol=1e-9)


SOLVERS = [
    {"solver": "adam"},
    {"solver": "adam", "beta_1": 0.5, "epsilon": 1e-3},
    {"solver": "sgd"},
    {"solver": "sgd", "momentum": 0.0},
    {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 10.0, "n_iter_no_change": 1, "max_iter": 5},
]


@pytest.mark.parametrize("by_parts", [False, True])
@pytest.mark.parametrize("parameters", SOLVERS, ids=lambda p: " ".join(map(str, p.values())))
@pytest.mark.parametrize("name", NAMES)
def test_scikit_learn_trains_on_where_ours_stands(name, parameters, by_parts):
    x, y = data(name)
    chosen = {"hidden_layer_sizes": (9, 4), "max_iter": 5, "random_state": 1, "learning_rate_init": 0.01} | parameters
    our = getattr(ours, name)(**chosen, rng="sklearn")
    if by_parts:
        our.partial_fit(x, y, **({"classes": [0, 1, 2]} if name == "MLPClassifier" else {}))
    else:
        our.fit(x, y)
    back = our.to_sklearn()
    again = ours.from_sklearn(back).set_params(rng="sklearn")
    for _ in range(3):
        for estimator in (our, back, again):
            estimator.partial_fit(x, y)
    np.testing.assert_allclose(back.loss_curve_, our.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(again.loss_curve_, our.loss_curve_, rtol=1e-9)
    assert back.t_ == our.t_


def test_an_optimizer_that_scikit_learn_lacks_begins_anew():
    x, y = data("MLPClassifier")
    our = ours.MLPClassifier((9,), max_iter=5, random_state=1, solver="nadam").fit(x, y)
    back = our.to_sklearn().partial_fit(x, y)
    assert len(back.loss_curve_) == 6
    assert back._optimizer.t == 1


def test_another_solver_begins_anew():
    x, y = data("MLPRegressor")
    our = ours.MLPRegressor(hidden_layer_sizes=(9,), max_iter=5, random_state=1, solver="sgd").fit(x, y)
    our.set_params(solver="adam").partial_fit(x, y)
    assert our._optimizer.updates == 3  # one epoch of 442 rows


def test_one_taken_over_gets_validation_data_in_a_warm_start():
    x, y = data("MLPRegressor")
    their = theirs.MLPRegressor(hidden_layer_sizes=(9,), max_iter=5, random_state=1, warm_start=True).fit(x, y)
    assert len(ours.from_sklearn(their).fit(x, y, validation_data=(x, y)).validation_loss_curve_) == 5


def test_batch_normalisation_becomes_part_of_the_weights():
    x, y = data("MLPRegressor")
    our = ours.MLPRegressor(hidden_layer_sizes=(9, 7), batch_norm=True, max_iter=30, random_state=1).fit(x, y)
    np.testing.assert_allclose(our.to_sklearn().predict(x), our.predict(x), rtol=1e-9)


@pytest.mark.parametrize("activation", ["gelu", ("relu", "tanh")])
def test_what_scikit_learn_lacks_is_refused(activation):
    x, y = data("MLPRegressor")
    our = ours.MLPRegressor(hidden_layer_sizes=(5, 5), activation=activation, max_iter=2).fit(x, y)
    with pytest.raises(ValueError, match="one activation for all layers"):
        our.to_sklearn()


def test_only_fitted_perceptrons_are_taken_over():
    with pytest.raises(NotFittedError):
        ours.from_sklearn(theirs.MLPClassifier())
    with pytest.raises(NotFittedError):
        ours.MLPClassifier().to_sklearn()
    with pytest.raises(TypeError, match="of scikit-learn"):
        ours.from_sklearn(ours.MLPClassifier())


@pytest.mark.parametrize("parameters", [{}, {"batch_norm": True, "dropout": 0.2, "activation": ["gelu", "tanh"]}])
@pytest.mark.parametrize("name", NAMES)
def test_a_model_predicts_the_same_and_can_be_saved(name, parameters, tmp_path):
    x, y = data(name)
    our = getattr(ours, name)(hidden_layer_sizes=(8, 6), max_iter=5, random_state=0, **parameters).fit(x, y)
    our.to_model().save(tmp_path / "model.safetensors")
    model = gpubp.load_model(tmp_path / "model.safetensors")
    expected = outputs(our, x)
    np.testing.assert_allclose(model.predict(x, verbose=0).reshape(expected.shape), expected, rtol=1e-12)


def arrays_in(thing, seen):
    """The types of all that an estimator's state holds, at any depth."""
    if id(thing) in seen:
        return set()
    seen.add(id(thing))
    inner = thing if isinstance(thing, list | tuple | set) else thing.values() if isinstance(thing, dict) else None
    if inner is None:
        inner = vars(thing).values() if hasattr(thing, "__dict__") and not isinstance(thing, type) else ()
    return {type(thing)}.union(*(arrays_in(x, seen) for x in inner))


@pytest.mark.parametrize("name", NAMES)
def test_pickles_hold_numpy_arrays_only_and_training_goes_on(name):
    x, y = data(name)
    our = getattr(ours, name)(hidden_layer_sizes=(9,), max_iter=5, random_state=1, rng="sklearn").fit(x, y)
    modules = {t.__module__.split(".")[0] for t in arrays_in(our, set())}
    assert modules <= {"builtins", "numpy", "sklearn", "gpubp"}
    file = io.BytesIO()
    joblib.dump(our, file)
    file.seek(0)
    for copy in (pickle.loads(pickle.dumps(our)), joblib.load(file)):
        np.testing.assert_array_equal(outputs(copy, x), outputs(our, x))
        copy.partial_fit(x, y)
    our.partial_fit(x, y)
    np.testing.assert_array_equal(outputs(copy, x), outputs(our, x))
