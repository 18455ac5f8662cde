"""gpubp's estimator with scikit-learn's interface."""

import numpy as np

from gpubp.sklearn import MLPClassifier

from .scikit_learn import Estimator


class OwnEstimator(Estimator):
    """MLPClassifier of gpubp.sklearn, the same arguments."""

    packages = ("gpubp", "numpy", "numba", "scipy")
    kind = MLPClassifier

    def predict(self, x):
        return np.asarray(self.net.predict_proba(x))
