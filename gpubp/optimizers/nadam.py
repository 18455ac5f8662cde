"""Nadam."""

from math import log

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import running_mean, unbias

DECAY = 0.96  # of how far the momentum of a step is below beta_1, as in the report


class Nadam(Optimizer):
    """Nadam: Adam with Nesterov's momentum.

    With t from 1: u_t = b1 (1 - 0.96^t / 2), p_t = u_1 ... u_t; m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2;
    m' = u_(t+1) m / (1 - p_(t+1)) + (1 - u_t) g / (1 - p_t); w <- w - r m' / (sqrt(v / (1 - b2^t)) + epsilon).

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        beta_1, beta_2: decay of the two running means, in [0, 1). Defaults 0.9, 0.999.
        epsilon: float > 0. Default 1e-7.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: T. Dozat, Incorporating Nesterov momentum into Adam, ICLR workshop 2016;
    https://keras.io/api/optimizers/nadam
    """

    # The product p is one number, but lies like the others, one for each element: so it needs no rules of its own.
    slots = ("momentum", "velocity", "momentum_product")

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        check("beta_1", beta_1, "at least 0 and less than 1")
        check("beta_2", beta_2, "at least 0 and less than 1")
        check("epsilon", epsilon, "greater than 0")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def initial(self, slot, parameter):
        return 1.0 if slot == "momentum_product" else super().initial(slot, parameter)

    def update_variable(self, parameter, gradient, rate, step, slots):
        t = ops.cast(step + 1, parameter.dtype)
        now, later = self._momentum_at(t), self._momentum_at(t + 1.0)
        product = slots["momentum_product"] * now
        m = running_mean(slots["momentum"], gradient, self.beta_1)
        v = running_mean(slots["velocity"], ops.square(gradient), self.beta_2)
        ahead = later * m / (1.0 - product * later) + (1.0 - now) * gradient / (1.0 - product)
        new = parameter - rate * ahead / (ops.sqrt(v / unbias(self.beta_2, t)) + self.epsilon)
        return new, {"momentum": m, "velocity": v, "momentum_product": product}

    def _momentum_at(self, t):
        return self.beta_1 * (1.0 - 0.5 * ops.exp(t * log(DECAY)))
