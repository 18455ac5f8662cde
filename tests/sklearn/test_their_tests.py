"""scikit-learn's own tests of its multilayer perceptrons, with the two classes replaced by ours."""

import importlib.util
from pathlib import Path

import pytest
import sklearn.neural_network
from sklearn.neural_network import tests as theirs

import gpubp.sklearn

# Theirs is no suite in which warnings are errors: where a line search ends at a kink of ReLU, L-BFGS warns.
pytestmark = pytest.mark.filterwarnings("default")

# These look at what scikit-learn keeps to itself.
PRIVATE = {"test_gradient"}


@pytest.fixture
def global_random_seed():
    return 42


FILE = Path(theirs.__file__).with_name("test_mlp.py")


def replaced():
    """The module of their tests, as it is when our classes stand where it imports scikit-learn's."""
    spec = importlib.util.spec_from_file_location("their_test_mlp", FILE)
    module = importlib.util.module_from_spec(spec)
    before = {name: getattr(sklearn.neural_network, name) for name in ("MLPClassifier", "MLPRegressor")}
    try:
        for name in before:
            setattr(sklearn.neural_network, name, getattr(gpubp.sklearn, name))
        spec.loader.exec_module(module)
    finally:
        for name, their_class in before.items():
            setattr(sklearn.neural_network, name, their_class)
    assert module.MLPClassifier is gpubp.sklearn.MLPClassifier
    return module


globals().update({name: x for name, x in vars(replaced()).items() if name.startswith("test_") and name not in PRIVATE})
