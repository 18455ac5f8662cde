"""scikit-learn's multilayer perceptrons."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from ..case import BETA_1, BETA_2, EPSILON
from .base import Contender

EPOCHS = 20  # of a fit with the defaults


class ScikitLearn(Contender):
    """An epoch a call of partial_fit, which takes the batches in the order of the rows.

    For two classes it has one logistic output instead of a softmax over two: a smaller net, whose loss is not compared.
    """

    packages = ("scikit-learn",)

    def __init__(self, case, problem):
        super().__init__(case, problem)
        self.only_plain("scikit-learn's MLP")
        self.binary = case.widths[-1] == 2
        self.note = "partial_fit" + (", one logistic output" if self.binary else "")
        rule = {"solver": case.optimizer, "learning_rate_init": case.rate, "momentum": 0.0, "nesterovs_momentum": False}
        adam = {"beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON}
        kind = MLPRegressor if case.regression else MLPClassifier
        self.net = kind(
            hidden_layer_sizes=case.widths[1:-1], batch_size=case.batch, alpha=0, shuffle=False, **rule, **adam
        )
        self.y = problem.y.ravel()
        classes = {} if case.regression else {"classes": np.arange(case.widths[-1])}
        self.net.partial_fit(problem.x[: case.batch], self.y[: case.batch], **classes)

    def reset(self):
        del self.net._optimizer  # the next call makes a new one
        parameters = [p for pair in zip(self.net.coefs_, self.net.intercepts_, strict=True) for p in pair]
        for parameter, weight in zip(parameters, self.problem.weights, strict=True):
            parameter[...] = weight[..., :1] if self.binary and parameter.shape != weight.shape else weight

    def epoch(self):
        self.net.partial_fit(self.problem.x[self.order], self.y[self.order])
        if self.binary:
            return None
        return float(self.net.loss_) * (2 if self.case.regression else 1)  # it halves the squared error

    def predict(self, x):
        return self.net.predict(x).reshape(-1, 1) if self.case.regression else self.net.predict_proba(x)


class Estimator(Contender):
    """MLPClassifier with its defaults, `fit` as users call it; only the number of epochs is given."""

    packages: tuple[str, ...] = ("scikit-learn",)
    note = f"defaults, {EPOCHS} epochs"
    kind = MLPClassifier

    def reset(self):
        self.net = self.kind(max_iter=EPOCHS, tol=0.0, n_iter_no_change=EPOCHS, random_state=0)

    def epoch(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped on purpose
            self.net.fit(self.problem.x, self.problem.y)
        if self.net.n_iter_ != EPOCHS:
            raise RuntimeError(f"{self.kind.__module__} stopped after {self.net.n_iter_} epochs of {EPOCHS}")

    def predict(self, x):
        return self.net.predict_proba(x)
