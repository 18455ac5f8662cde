"""A training step as one writes it in plain NumPy."""

import numpy as np

from ..case import BETA_1, BETA_2, EPSILON
from .base import Contender


class PlainNumPy(Contender):
    """Forward, backward and the update, an array operation a line."""

    packages = ("numpy",)
    note = "an array operation a line"

    def __init__(self, case, problem):
        super().__init__(case, problem)
        self.only_plain("what one writes in twenty lines of NumPy")
        self.reset()

    def reset(self):
        self.weights = [w.copy() for w in self.problem.weights]
        self.moments = [(np.zeros_like(w), np.zeros_like(w)) for w in self.weights]
        self.updates = 0

    def epoch(self):
        losses = [self._step(self.problem.x[p], self.problem.y[p]) * len(p) for p in self.batches()]
        return float(sum(losses) / len(self.order))

    def _step(self, x, y):
        activations = self._forward(x)
        out = activations.pop()
        loss, d = self._squared_error(out, y) if self.case.regression else self._cross_entropy(out, y)
        gradients = []
        for k in reversed(range(len(activations))):
            gradients += [d.sum(axis=0), activations[k].T @ d]
            if k:
                d = (d @ self.weights[2 * k].T) * (activations[k] > 0)
        self._update(gradients[::-1])
        return loss

    def _forward(self, x):
        """The inputs of all layers, and the output."""
        activations = [x]
        for w, b in zip(self.weights[:-2:2], self.weights[1:-2:2], strict=True):
            activations.append(np.maximum(activations[-1] @ w + b, 0))
        return [*activations, activations[-1] @ self.weights[-2] + self.weights[-1]]

    @staticmethod
    def _squared_error(out, y):
        d = out - y
        return np.mean(d * d), 2 * d / d.size

    @staticmethod
    def _cross_entropy(z, y):
        p, rows = _softmax(z), np.arange(len(y))
        loss = -np.mean(np.log(p[rows, y]))
        p[rows, y] -= 1
        return loss, p / len(y)

    def _update(self, gradients):
        if self.case.optimizer == "sgd":
            for w, g in zip(self.weights, gradients, strict=True):
                w -= self.case.rate * g
            return
        self.updates += 1
        rate = self.case.rate * np.sqrt(1 - BETA_2**self.updates) / (1 - BETA_1**self.updates)
        for w, g, (m, v) in zip(self.weights, gradients, self.moments, strict=True):
            m += (1 - BETA_1) * (g - m)
            v += (1 - BETA_2) * (g * g - v)
            w -= w.dtype.type(rate) * m / (np.sqrt(v) + w.dtype.type(EPSILON))

    def predict(self, x):
        out = self._forward(x)[-1]
        return out if self.case.regression else _softmax(out)


def _softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
