"""gpubp itself."""

import gpubp
from gpubp import layers, losses, optimizers

from ..case import BETA_1, BETA_2, EPSILON, NORM_EPSILON, NORM_MOMENTUM, SEED
from .base import Contender


class Gpubp(Contender):
    """`fit` and `predict` as users call them: shuffling, gathering and the mean loss included."""

    packages = ("gpubp", "numpy", "numba", "scipy")
    note = "Sequential"

    def __init__(self, case, problem):
        super().__init__(case, problem)
        self.dense = [layers.Dense(n) for n in case.widths[1:]]
        stack = [gpubp.Input(case.widths[:1], dtype=case.dtype)]
        for one in self.dense[:-1]:
            stack += [one, *self._after()]
        stack.append(self.dense[-1])
        self.model = gpubp.Sequential(stack)
        self.model.seed = SEED
        kind = losses.MeanSquaredError() if case.regression else losses.SparseCategoricalCrossentropy(from_logits=True)
        rule = optimizers.SGD(case.rate) if case.optimizer == "sgd" else None
        self.model.compile(rule or optimizers.Adam(case.rate, BETA_1, BETA_2, EPSILON), kind)
        last = [] if case.regression else [layers.Activation("softmax")]
        self.predictor = gpubp.Sequential([*stack, *last])
        for layer, k in zip(self.dense, range(0, 2 * len(self.dense), 2), strict=True):
            layer.set_weights(problem.weights[k : k + 2])
        self.start = self.model.get_weights()

    def _after(self):
        """What follows a hidden layer."""
        if self.case.batch_norm:
            yield layers.BatchNormalization(momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON)
        yield layers.Activation("relu")
        if self.case.dropout:
            yield layers.Dropout(self.case.dropout)

    def reset(self):
        self.model.set_weights(self.start)
        self.model.reset_optimizer()

    def shuffle(self, epoch):
        """`fit` does."""

    def epoch(self):
        history = self.model.fit(self.problem.x, self.problem.y, batch_size=self.case.batch, verbose=0).history
        return history["loss"][0]

    def predict(self, x):
        return self.predictor.predict(x, verbose=0)

    def explain(self):
        return self.model.explain(self.case.batch, analyze=True).to_dict()


class OnBatch(Gpubp):
    """All rows as one batch."""

    note = "predict_on_batch"

    def predict(self, x):
        return self.predictor.predict_on_batch(x)
