"""Stochastic gradient descent."""

from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent with momentum.

    With velocity v, momentum m, rate r and gradient g: v <- m v - r g; w <- w + v, or with Nesterov's momentum
    w <- w + m v - r g. Without momentum w <- w - r g.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.01.
        momentum: float in [0, 1]. Default 0.
        nesterov: whether to look ahead. Default False.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: I. Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013;
    https://keras.io/api/optimizers/sgd
    """

    def __init__(self, learning_rate=0.01, momentum=0.0, nesterov=False, **common):
        super().__init__(learning_rate, **common)
        check("momentum", momentum, "from 0 to 1")
        self.momentum, self.nesterov = momentum, nesterov
        self.slots = ("momentum",) if momentum else ()

    def update_variable(self, parameter, gradient, rate, step, slots):
        change = -rate * gradient
        if not self.momentum:
            return parameter + change, {}
        velocity = self.momentum * slots["momentum"] + change
        moved = self.momentum * velocity + change if self.nesterov else velocity
        return parameter + moved, {"momentum": velocity}
