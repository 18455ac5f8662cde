"""Adamax."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import running_mean, unbias


class Adamax(Optimizer):
    """Adamax: Adam with the largest recent gradient in the place of the root of the mean square.

    With t from 1: m <- b1 m + (1 - b1) g; u <- max(b2 u, |g|); w <- w - r / (1 - b1^t) m / (u + epsilon).

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        beta_1, beta_2: decay of m and u, in [0, 1). Defaults 0.9, 0.999.
        epsilon: float > 0. Default 1e-7.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015, section 7.1;
    https://keras.io/api/optimizers/adamax
    """

    slots = ("momentum", "norm")

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        check("beta_1", beta_1, "at least 0 and less than 1")
        check("beta_2", beta_2, "at least 0 and less than 1")
        check("epsilon", epsilon, "greater than 0")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update_variable(self, parameter, gradient, rate, step, slots):
        t = ops.cast(step + 1, parameter.dtype)
        m = running_mean(slots["momentum"], gradient, self.beta_1)
        u = ops.maximum(self.beta_2 * slots["norm"], ops.abs(gradient))
        return parameter - rate / unbias(self.beta_1, t) * m / (u + self.epsilon), {"momentum": m, "norm": u}
