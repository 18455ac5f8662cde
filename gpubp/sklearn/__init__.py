"""scikit-learn's multilayer perceptrons, trained by gpubp: what changes is the import.

Source of names, defaults and meanings: https://scikit-learn.org/stable/modules/neural_networks_supervised.html
"""

from sklearn import neural_network
from sklearn.utils.validation import check_is_fitted

from gpubp.sklearn.classifier import MLPClassifier as MLPClassifier
from gpubp.sklearn.conversion import taken_over
from gpubp.sklearn.regressor import MLPRegressor as MLPRegressor


def from_sklearn(estimator):
    """A fitted MLPClassifier or MLPRegressor of scikit-learn as one of gpubp's; `partial_fit` goes on with it.

    Raises TypeError for anything else, NotFittedError if it is not fitted.

    >>> from sklearn import neural_network
    >>> theirs = neural_network.MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> from_sklearn(theirs).predict([[1.0]]).round(2).tolist()
    [1.0]
    """
    for ours, name in ((MLPClassifier, "MLPClassifier"), (MLPRegressor, "MLPRegressor")):
        if isinstance(estimator, getattr(neural_network, name)):
            check_is_fitted(estimator)
            return taken_over(ours, estimator)
    raise TypeError(f"from_sklearn takes a MLPClassifier or MLPRegressor of scikit-learn; this is {estimator!r}")
