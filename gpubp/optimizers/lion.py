"""Lion."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import running_mean


class Lion(Optimizer):
    """Lion: steps of one size, by the sign of a mean of gradient and momentum.

    w <- w - r sign(b1 m + (1 - b1) g); m <- b2 m + (1 - b2) g.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        beta_1: share of the momentum in the step, in (0, 1]. Default 0.9.
        beta_2: decay of the momentum, in [0, 1]. Default 0.99.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: X. Chen et al., Symbolic discovery of optimization algorithms, NeurIPS 2023;
    https://keras.io/api/optimizers/lion
    """

    slots = ("momentum",)

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.99, **common):
        super().__init__(learning_rate, **common)
        check("beta_1", beta_1, "greater than 0 and at most 1")
        check("beta_2", beta_2, "from 0 to 1")
        self.beta_1, self.beta_2 = beta_1, beta_2

    def update_variable(self, parameter, gradient, rate, step, slots):
        direction = ops.sign(running_mean(slots["momentum"], gradient, self.beta_1))
        return parameter - rate * direction, {"momentum": running_mean(slots["momentum"], gradient, self.beta_2)}
