"""Activations that are made of other ops; `relu`, `tanh` and `sigmoid` are ops themselves."""

from gpubp.ops.reductions import log_of_sum, shifted_exp
from gpubp.ops.registry import graph_of, value


def softmax(x, axis=-1):
    """exp(x) / sum(exp(x)) along an axis. A recorded result remembers its logits, from which losses start."""
    x = value(x)
    e, total, _ = shifted_exp(x, axis)
    y = e / total
    if graph_of(y):
        y.logits = ("softmax", x, axis)
    return y


def log_softmax(x, axis=-1):
    """log(softmax(x)) along an axis."""
    x = value(x)
    return x - log_of_sum(*shifted_exp(x, axis))
