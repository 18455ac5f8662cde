"""scikit-learn's multilayer perceptrons, trained by gpubp: what changes is the import.

Source of names, defaults and meanings: https://scikit-learn.org/stable/modules/neural_networks_supervised.html
"""

from gpubp.sklearn.classifier import MLPClassifier as MLPClassifier
from gpubp.sklearn.regressor import MLPRegressor as MLPRegressor
