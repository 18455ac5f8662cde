"""What Adam and its relatives share: running means of gradients, and what makes up for their beginning from zeros."""

from math import log

from gpubp import ops


def running_mean(old, new, beta: float):
    """beta old + (1 - beta) new."""
    return beta * old + (1 - beta) * new


def unbias(beta: float, t):
    """1 - beta^t, by which a running mean of t values that began from 0 is divided.

    By expm1, since 1 - beta^t of float32 numbers loses its digits where beta^t is close to 1.
    """
    return -ops.expm1(t * log(beta)) if beta else 1.0 + 0.0 * t


def adam_step(gradient, m, v, rate, t, beta_1: float, beta_2: float):
    """The new running means, and the rate that undoes their bias."""
    scale = rate * ops.sqrt(unbias(beta_2, t)) / unbias(beta_1, t)
    return running_mean(m, gradient, beta_1), running_mean(v, ops.square(gradient), beta_2), scale
