"""Adam."""

from math import log

from gpubp import ops
from gpubp.optimizers.base import Optimizer, check


class Adam(Optimizer):
    """Adam: steps by the running mean of gradients over the root of the running mean of their squares.

    With t from 1: m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2;
    w <- w - r sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon).

    Arguments:
        learning_rate: float, or a function of the step. Default 0.001.
        beta_1, beta_2: decay of the two running means, in (0, 1). Defaults 0.9, 0.999.
        epsilon: float > 0. Default 1e-7; it stands where Keras and the paper's section 2 have it.

    Raises:
        ValueError: for values out of range.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015;
    https://keras.io/api/optimizers/adam
    """

    slots = ("momentum", "velocity")

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        super().__init__(learning_rate)
        check("beta_1", beta_1, 0 < beta_1 < 1, "between 0 and 1")
        check("beta_2", beta_2, 0 < beta_2 < 1, "between 0 and 1")
        check("epsilon", epsilon, epsilon > 0, "greater than 0")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update_variable(self, parameter, gradient, rate, step, slots):
        t = ops.cast(step + 1, parameter.dtype)
        # expm1, since 1 - b^t of float32 numbers loses its digits where b^t is close to 1.
        unbias_1, unbias_2 = (-ops.expm1(t * log(beta)) for beta in (self.beta_1, self.beta_2))
        m = self.beta_1 * slots["momentum"] + (1 - self.beta_1) * gradient
        v = self.beta_2 * slots["velocity"] + (1 - self.beta_2) * ops.square(gradient)
        scale = rate * ops.sqrt(unbias_2) / unbias_1
        return parameter - scale * m / (ops.sqrt(v) + self.epsilon), {"momentum": m, "velocity": v}

    def get_config(self):
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }
