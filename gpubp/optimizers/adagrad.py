"""Adagrad."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer


class Adagrad(Optimizer):
    """Adagrad: steps by the gradient over the root of the sum of its squares so far.

    a <- a + g^2; w <- w - r g / sqrt(a + epsilon).

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        initial_accumulator_value: what a begins from, a float of at least 0. Default 0.1.
        epsilon: float > 0. Default 1e-7.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: J. Duchi, E. Hazan, Y. Singer, Adaptive subgradient methods for online learning and stochastic
    optimization, JMLR 2011; https://keras.io/api/optimizers/adagrad
    """

    slots = ("accumulator",)

    def __init__(self, learning_rate=0.001, initial_accumulator_value=0.1, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        check("initial_accumulator_value", initial_accumulator_value, "at least 0")
        check("epsilon", epsilon, "greater than 0")
        self.initial_accumulator_value, self.epsilon = initial_accumulator_value, epsilon

    def initial(self, slot, parameter):
        return self.initial_accumulator_value if slot == "accumulator" else super().initial(slot, parameter)

    def update_variable(self, parameter, gradient, rate, step, slots):
        accumulator = slots["accumulator"] + ops.square(gradient)
        return parameter - rate * gradient / ops.sqrt(accumulator + self.epsilon), {"accumulator": accumulator}
