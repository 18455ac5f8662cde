"""Arrays of other libraries under array API dispatch: what comes out is of the library that went in."""

import types

import numpy as np
import pytest
import sklearn
from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

import gpubp
from gpubp.sklearn import MLPClassifier, MLPRegressor
from tests.cuda.conftest import gpu  # noqa: F401 - the fixture of that name
from tests.cuda.emulation.device import Array

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (8, 6), "max_iter": 4, "random_state": 0}


@pytest.fixture
def dispatch(monkeypatch):
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    with sklearn.config_context(array_api_dispatch=True):
        yield


class Namespace(types.ModuleType):
    """As much of an array API as there is to the emulated device: NumPy's functions, on its arrays."""

    def __init__(self):
        super().__init__("emulated")

    def __getattr__(self, name):
        found = getattr(np, name)
        if not callable(found) or isinstance(found, type):
            return found

        def function(*given, device=None, **named):
            made = found(*[x.host if isinstance(x, Array) else x for x in given], **named)
            return Array(np.asarray(made)) if isinstance(made, np.ndarray | np.floating) else made

        return function


@pytest.fixture
def emulated(gpu, monkeypatch):  # noqa: F811
    """Arrays of the device with a namespace, and truth for their scalars: as CuPy's."""
    namespace = Namespace()
    monkeypatch.setattr(Array, "__array_namespace__", lambda self, api_version=None: namespace, raising=False)
    monkeypatch.setattr(Array, "device", "cpu", raising=False)  # as the namespace has it
    monkeypatch.setattr(Array, "__bool__", lambda self: bool(self.host))
    gpu.asarray = namespace.asarray
    gpu.__name__ = "emulated"
    return gpu


@pytest.fixture(params=["strict", "torch", "emulated"])
def library(request, dispatch):
    """What has `asarray`."""
    if request.param == "emulated":
        return request.getfixturevalue("emulated")
    name = {"strict": "array_api_strict"}.get(request.param, request.param)
    return pytest.importorskip(name)


def numbers(x):
    """Arrays of any of the libraries as NumPy's."""
    return x.get() if isinstance(x, Array) else np.asarray(x)


def classes():
    x, y = load_iris(return_X_y=True)
    return scale(x).astype(np.float32), y


def quantities():
    x, y = load_diabetes(return_X_y=True)
    return scale(x).astype(np.float32), scale(y).astype(np.float32)


def nearness(estimator, x, y):
    """A score that asks nothing of libraries."""
    return -np.abs(numbers(estimator.predict(x)) - y).mean()


@pytest.mark.parametrize(
    "options",
    [{}, {"early_stopping": True}, {"early_stopping": True, "scoring": nearness}, {"solver": "lbfgs"}],
    ids=["plain", "early stopping", "scoring", "lbfgs"],
)
def test_regression(library, options):
    x, y = quantities()
    weights = np.linspace(0, 1.5, len(x)).astype(np.float32)
    there = [library.asarray(a) for a in (x, y, weights)]
    expected = MLPRegressor(**SMALL | options).fit(x, y, weights)
    found = MLPRegressor(**SMALL | options).fit(*there)
    assert found.loss_ == pytest.approx(expected.loss_, rel=1e-6)
    if "early_stopping" in options:
        assert found.validation_scores_ == pytest.approx(expected.validation_scores_, rel=1e-5)
    assert {type(a) for a in found.coefs_} == {np.ndarray}
    predicted = found.predict(there[0])
    assert type(predicted) is type(there[0])
    assert numbers(predicted).dtype == expected.predict(x).dtype
    np.testing.assert_allclose(numbers(predicted), expected.predict(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("labels", [1, np.array([3, 1, 7])])
def test_classification(library, labels):
    x, y = classes()
    y = labels[y] if isinstance(labels, np.ndarray) else (y == labels).astype(int)
    expected, found = MLPClassifier(**SMALL), MLPClassifier(**SMALL)
    there = library.asarray(x), library.asarray(y)
    held = x[::3], y[::3]
    expected.fit(x, y, validation_data=held)
    found.fit(*there, validation_data=tuple(map(library.asarray, held)))
    assert found.validation_loss_curve_ == pytest.approx(expected.validation_loss_curve_, rel=1e-6)
    for method in ("predict", "predict_proba", "predict_log_proba"):
        result = getattr(found, method)(there[0])
        assert type(result) is type(there[0])
        np.testing.assert_allclose(numbers(result), getattr(expected, method)(x), rtol=1e-4)
    found.partial_fit(*there)
    expected.partial_fit(x, y)
    assert found.loss_ == pytest.approx(expected.loss_, rel=1e-6)


@pytest.mark.parametrize("name", ["array_api_strict", "torch"])
def test_scores(name, dispatch):
    library = pytest.importorskip(name)
    x, y = classes()
    e = MLPClassifier(**SMALL).fit(library.asarray(x), library.asarray(y))
    assert float(e.score(library.asarray(x), library.asarray(y))) == pytest.approx(e.score(x, y), rel=1e-6)
    x, y = quantities()
    e = MLPRegressor(**SMALL).fit(library.asarray(x), library.asarray(y))
    assert float(e.score(library.asarray(x), library.asarray(y))) == pytest.approx(e.score(x, y), rel=1e-5)


def test_labels_that_are_text_stay_numpys(library):
    x, y = classes()
    y = np.array(["a", "b", "c"])[y]
    predicted = MLPClassifier(**SMALL).fit(library.asarray(x), y).predict(library.asarray(x))
    assert isinstance(predicted, np.ndarray)
    assert set(predicted) <= {"a", "b", "c"}


def test_numpy_and_sparse_inputs_are_what_they_were(dispatch):
    x, y = quantities()
    e = MLPRegressor(**SMALL).fit(x, y)
    assert type(e.predict(x)) is np.ndarray
    scipy = pytest.importorskip("scipy.sparse")
    np.testing.assert_allclose(e.predict(scipy.csr_matrix(x)), e.predict(x), rtol=1e-5)


def test_inputs_of_the_device_stay_there(emulated, dispatch):
    x, y = quantities()
    there = emulated.asarray(x)
    e = MLPRegressor(**SMALL)
    emulated.record.clear()
    e.fit(there, y).predict(there)
    uploads = [asked[1] for asked in emulated.record if asked[0] == "upload"]
    assert max(uploads) < x.nbytes
    with gpubp.device("cpu"):
        np.testing.assert_allclose(numbers(e.predict(there)), e.predict(x), rtol=1e-5)


def test_without_dispatch_they_are_refused_as_scikit_learn_refuses_them(emulated):
    x, y = quantities()
    with pytest.raises(TypeError, match="Implicit conversion"):
        MLPRegressor(**SMALL).fit(emulated.asarray(x), y)
    with pytest.raises(TypeError, match="Implicit conversion"):
        sklearn.neural_network.MLPRegressor(**SMALL).fit(emulated.asarray(x), y)
