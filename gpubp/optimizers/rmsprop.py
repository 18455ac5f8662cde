"""RMSprop."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import running_mean


class RMSprop(Optimizer):
    """RMSprop: steps by the gradient over the root of the running mean of its squares.

    v <- rho v + (1 - rho) g^2; change = r g / sqrt(v + epsilon), where centered v - a^2 stands for v, with
    a <- rho a + (1 - rho) g; w <- w - change, or with momentum p: u <- p u + change; w <- w - u.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        rho: decay of the running means, in [0, 1). Default 0.9.
        momentum: float in [0, 1]. Default 0.
        epsilon: float > 0. Default 1e-7.
        centered: whether to divide by an estimate of the variance. Default False.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: T. Tieleman, G. Hinton, Lecture 6.5: RMSprop, Coursera 2012; A. Graves, Generating sequences with recurrent
    neural networks, 2013 (centered); https://keras.io/api/optimizers/rmsprop
    """

    def __init__(self, learning_rate=0.001, rho=0.9, momentum=0.0, epsilon=1e-7, centered=False, **common):
        super().__init__(learning_rate, **common)
        check("rho", rho, "at least 0 and less than 1")
        check("momentum", momentum, "from 0 to 1")
        check("epsilon", epsilon, "greater than 0")
        self.rho, self.momentum, self.epsilon, self.centered = rho, momentum, epsilon, centered
        wanted = {"velocity": True, "momentum": momentum, "average_gradient": centered}
        self.slots = tuple(slot for slot, kept in wanted.items() if kept)

    def update_variable(self, parameter, gradient, rate, step, slots):
        variance = velocity = running_mean(slots["velocity"], ops.square(gradient), self.rho)
        changed = {"velocity": velocity}
        if self.centered:
            mean = changed["average_gradient"] = running_mean(slots["average_gradient"], gradient, self.rho)
            variance = velocity - ops.square(mean)
        change = rate * gradient / ops.sqrt(variance + self.epsilon)
        if self.momentum:
            change = changed["momentum"] = self.momentum * slots["momentum"] + change
        return parameter - change, changed
