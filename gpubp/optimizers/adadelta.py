"""Adadelta."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import running_mean


class Adadelta(Optimizer):
    """Adadelta: steps by the gradient, scaled by the size of recent steps over the size of recent gradients.

    a <- rho a + (1 - rho) g^2; step = g sqrt(d + epsilon) / sqrt(a + epsilon); d <- rho d + (1 - rho) step^2;
    w <- w - r step.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001; the paper has 1.
        rho: decay of the running means, in [0, 1). Default 0.95.
        epsilon: float > 0. Default 1e-7.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: M. Zeiler, ADADELTA: an adaptive learning rate method, 2012; https://keras.io/api/optimizers/adadelta
    """

    slots = ("accumulated_grad", "accumulated_delta_var")

    def __init__(self, learning_rate=0.001, rho=0.95, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        check("rho", rho, "at least 0 and less than 1")
        check("epsilon", epsilon, "greater than 0")
        self.rho, self.epsilon = rho, epsilon

    def update_variable(self, parameter, gradient, rate, step, slots):
        gradients = running_mean(slots["accumulated_grad"], ops.square(gradient), self.rho)
        before = slots["accumulated_delta_var"]
        change = ops.sqrt(before + self.epsilon) * gradient / ops.sqrt(gradients + self.epsilon)
        changes = running_mean(before, ops.square(change), self.rho)
        return parameter - rate * change, {"accumulated_grad": gradients, "accumulated_delta_var": changes}
