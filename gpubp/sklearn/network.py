"""The network of an estimator: a compiled model that any estimator of the same signature may borrow."""

import copy
import json
from collections.abc import Callable, Hashable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gpubp import layers, optimizers
from gpubp.backend import current_device
from gpubp.config import policy_of
from gpubp.engine.variables import Variable
from gpubp.models import Sequential
from gpubp.sklearn.objective import Average, Objective

WAITING = 16  # networks that are kept for the next estimator
KEPT = 64 << 20  # bytes that they hold together: many processes may share a GPU


@dataclass(frozen=True)
class Architecture:
    """What follows from shapes and parameters.

    Arguments:
        units: of all layers, the inputs first.
        activations: functions of the hidden layers, then of the outputs.
        dtype: of the weights, or a policy.
        dropout: rates of the hidden layers.
        batch_norm: whether hidden layers normalise before their activation.
    """

    units: tuple[int, ...]
    activations: tuple[Callable, ...]
    dtype: str
    dropout: tuple[float, ...]
    batch_norm: bool


@dataclass
class Weights:
    """The arrays of a network, on the host.

    Arguments:
        coefs, intercepts: of each layer.
        normalisation: of each batch normalisation gamma, beta, moving mean and variance, one after the other.
    """

    coefs: list[np.ndarray]
    intercepts: list[np.ndarray]
    normalisation: list[np.ndarray] = field(default_factory=list)


class Stack:
    """The layers of a network, with access to their weights as scikit-learn orders them.

    Arguments:
        a: the architecture.
    """

    def __init__(self, a: Architecture):
        policy: dict[str, Any] = {"dtype": a.dtype}
        self.layers: list[layers.Layer] = [layers.Input((a.units[0],), dtype=policy_of(a.dtype).variable_dtype)]
        self.dense: list[layers.Dense] = []
        self.norms: list[layers.BatchNormalization] = []
        last = len(a.units) - 2
        for k, units in enumerate(a.units[1:]):
            self.dense.append(layers.Dense(units, kernel_initializer="zeros", name=f"dense_{k}", **policy))
            self.layers.append(self.dense[k])
            if k < last and a.batch_norm:
                self.norms.append(layers.BatchNormalization(name=f"norm_{k}", **policy))
                self.layers.append(self.norms[k])
            self.layers.append(layers.Activation(a.activations[k], name=f"activation_{k}", **policy))
            if k < last and a.dropout[k]:
                self.layers.append(layers.Dropout(a.dropout[k], name=f"dropout_{k}", **policy))
        self.model = Sequential(self.layers)

    @property
    def weights(self) -> Weights:
        """Copies of the weights."""
        coefs, intercepts = [d.kernel.numpy() for d in self.dense], [d.bias.numpy() for d in self.dense]
        return Weights(coefs, intercepts, [v.numpy() for norm in self.norms for v in norm.variables])

    @weights.setter
    def weights(self, weights: Weights):
        for dense, coef, intercept in zip(self.dense, weights.coefs, weights.intercepts, strict=True):
            dense.kernel.assign(coef)
            dense.bias.assign(intercept)
        variables = [v for norm in self.norms for v in norm.variables]
        for variable, array in zip(variables, weights.normalisation, strict=True):
            variable.assign(array)


class Network(Stack):
    """A stack that can be trained.

    Arguments:
        architecture: of the layers.
        loss: of the rows.
        optimizer: a gpubp optimizer; a copy of it is used.
    """

    def __init__(self, architecture: Architecture, loss, optimizer: optimizers.Optimizer):
        super().__init__(architecture)
        kernels = [d.kernel for d in self.dense]
        self.model.alpha = self.alpha = Variable(np.zeros((), kernels[0].dtype), "alpha", trainable=False)
        objective = Objective(loss, self.alpha, kernels)
        curves = [Average(objective, "curve", by_batches=True), Average(loss, "data_loss")]
        self.model.compile(copy.deepcopy(optimizer), objective, weighted_metrics=curves)

    @property
    def bytes(self) -> int:
        """The memory of its variables and of all programs that have been made."""
        memories = [runner.executor.memory for idle in self.model._runners.values() for runner in idle]
        buffers = {id(b): b.nbytes for memory in memories for b in memory.buffers.values()}
        return sum(buffers.values())


_waiting: list[tuple[Hashable, Network]] = []  # the longest waiting first; appending and popping are atomic


@contextmanager
def borrowed(architecture: Architecture, loss, optimizer: optimizers.Optimizer, options: Hashable):
    """A network for the caller alone. Afterwards it waits for the next one: making its programs takes tens of ms.

    Networks that would wait with others in more than `KEPT` bytes do not; the longest waiting goes first.

    Arguments:
        architecture, optimizer: as of `Network`.
        loss: makes the loss of the rows.
        options: what `loss` follows from.
    """
    key = architecture, options, _described(optimizer), current_device().name
    network = _taken(key) or Network(architecture, loss(), optimizer)
    yield network
    _waiting.append((key, network))  # unless it has failed
    _let_go()


def _let_go():
    """Keeps as many of the networks that came last as may wait."""
    kept = 0
    for number, (_, network) in enumerate(reversed(list(_waiting))):
        kept += network.bytes
        if number == WAITING or kept > KEPT:
            del _waiting[: len(_waiting) - number]
            return


def _taken(key) -> Network | None:
    for pair in reversed(_waiting):
        if pair[0] == key:
            try:
                _waiting.remove(pair)
            except ValueError:  # another thread was faster
                return None
            return pair[1]
    return None


def described(thing: Any) -> Hashable:
    """What tells an object from others: class and configuration where it has one, else the object itself."""
    try:
        return type(thing), json.dumps(thing.get_config(), sort_keys=True)
    except (AttributeError, ValueError, TypeError):
        return thing


def _described(optimizer) -> Hashable:
    """The same of an optimizer, but for its learning rate, which programs read, unless it is a schedule."""
    if not callable(optimizer.learning_rate):
        optimizer = copy.copy(optimizer)
        optimizer.learning_rate = 0.0
    return described(optimizer)
