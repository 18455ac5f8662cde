"""scikit-learn's multilayer perceptrons, trained by gpubp: what changes is the import.

Source of names, defaults and meanings: https://scikit-learn.org/stable/modules/neural_networks_supervised.html
"""

from sklearn import neural_network
from sklearn.utils.validation import check_is_fitted

from gpubp.sklearn import files
from gpubp.sklearn.classifier import MLPClassifier as MLPClassifier
from gpubp.sklearn.conversion import taken_over
from gpubp.sklearn.regressor import MLPRegressor as MLPRegressor

CLASSES: dict[str, type] = {c.__name__: c for c in (MLPClassifier, MLPRegressor)}


def from_sklearn(estimator):
    """A fitted MLPClassifier or MLPRegressor of scikit-learn as one of gpubp's; `partial_fit` goes on with it.

    Raises TypeError for anything else, NotFittedError if it is not fitted.

    >>> from sklearn import neural_network
    >>> theirs = neural_network.MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> from_sklearn(theirs).predict([[1.0]]).round(2).tolist()
    [1.0]
    """
    for name, ours in CLASSES.items():
        if isinstance(estimator, getattr(neural_network, name)):
            check_is_fitted(estimator)
            return taken_over(ours, estimator)
    raise TypeError(f"from_sklearn takes a MLPClassifier or MLPRegressor of scikit-learn; this is {estimator!r}")


def load(path, custom_objects=None):
    """The fitted estimator that a file of its method `save` holds; `partial_fit` goes on with it bit for bit.

    Files from anywhere can be loaded: nothing in them is run or imported, and a file takes no more memory than its own
    size tells. A `device` that is not there becomes None, the current one, as a line in the log then says.

    Arguments:
        path: of the file.
        custom_objects: dict of names to classes of losses, optimizers and schedules, and to functions of losses, that
            are not gpubp's. Default none.

    Raises:
        gpubp.saving.ModelFileError: if the file is anything but a whole file of an estimator, or if its parts do not
            fit one another.
        OSError: if it can't be opened.

    >>> import tempfile
    >>> from pathlib import Path
    >>> fitted = MLPRegressor(solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fitted.save(Path(folder, "regressor.safetensors"))
    ...     again = load(Path(folder, "regressor.safetensors"))
    >>> again.predict([[1.0]]).round(2).tolist()
    [1.0]
    """
    return files.load(path, CLASSES, custom_objects)
