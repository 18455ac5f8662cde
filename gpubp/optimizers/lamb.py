"""LAMB."""

from gpubp import ops
from gpubp.optimizers.arguments import check
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.moments import running_mean, unbias


class Lamb(Optimizer):
    """LAMB: steps of Adam, each variable's as long as the variable itself, for large batches.

    With t from 1: m <- b1 m + (1 - b1) g; v <- b2 v + (1 - b2) g^2;
    u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon); w <- w - r ||w|| / ||u|| u, where the ratio is 1 if either
    norm is 0.

    Arguments:
        learning_rate: float, schedule, or a function of the step. Default 0.001.
        beta_1, beta_2: decay of the two running means, in [0, 1). Defaults 0.9, 0.999.
        epsilon: float > 0. Default 1e-7.
        And those of `Optimizer`.

    Raises:
        ValueError: for values out of range.

    Source: Y. You et al., Large batch optimization for deep learning: training BERT in 76 minutes, ICLR 2020;
    https://keras.io/api/optimizers/lamb
    """

    slots = ("momentum", "velocity")

    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-7, **common):
        super().__init__(learning_rate, **common)
        check("beta_1", beta_1, "at least 0 and less than 1")
        check("beta_2", beta_2, "at least 0 and less than 1")
        check("epsilon", epsilon, "greater than 0")
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def update_variable(self, parameter, gradient, rate, step, slots):
        t = ops.cast(step + 1, parameter.dtype)
        m = running_mean(slots["momentum"], gradient, self.beta_1)
        v = running_mean(slots["velocity"], ops.square(gradient), self.beta_2)
        change = m / unbias(self.beta_1, t) / (ops.sqrt(v / unbias(self.beta_2, t)) + self.epsilon)
        length, reach = _length(parameter), _length(change)
        both = ops.logical_and(ops.greater(length, 0.0), ops.greater(reach, 0.0))
        ratio = ops.where(both, length / reach, 1.0)
        return parameter - ratio * rate * change, {"momentum": m, "velocity": v}


def _length(x):
    return ops.sqrt(ops.sum(ops.square(x)))
