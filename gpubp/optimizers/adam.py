"""Adam."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import adam_step


class Adam(Optimizer):
    """Adam: steps by the running mean of gradients over the root of the running mean of their squares.

    With t from 1: m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2;
    w <- w - r sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + epsilon). AMSGrad has the largest v so far in the place of v.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        beta_1, beta_2: decay of the two running means, in [0, 1). Defaults 0.9, 0.999.
        epsilon: float > 0. Default 1e-7; it stands where Keras and the paper's section 2 have it.
        amsgrad: whether to divide by the root of the largest v so far. Default False.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: D. Kingma, J. Ba, Adam: a method for stochastic optimization, ICLR 2015;
    S. Reddi, S. Kale, S. Kumar, On the convergence of Adam and beyond, ICLR 2018; https://keras.io/api/optimizers/adam
    """

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False, **common):
        super().__init__(learning_rate, **common)
        check("beta_1", beta_1, "at least 0 and less than 1")
        check("beta_2", beta_2, "at least 0 and less than 1")
        check("epsilon", epsilon, "greater than 0")
        self.beta_1, self.beta_2, self.epsilon, self.amsgrad = beta_1, beta_2, epsilon, amsgrad
        self.slots = ("momentum", "velocity", *(["velocity_hat"] if amsgrad else []))

    def update_variable(self, parameter, gradient, rate, step, slots):
        t = ops.cast(step + 1, parameter.dtype)
        m, v, scale = adam_step(gradient, slots["momentum"], slots["velocity"], rate, t, self.beta_1, self.beta_2)
        changed, largest = {"momentum": m, "velocity": v}, v
        if self.amsgrad:
            largest = changed["velocity_hat"] = ops.maximum(slots["velocity_hat"], v)
        return parameter - scale * m / (ops.sqrt(largest) + self.epsilon), changed
