"""What layers have in common."""

import re
from typing import Any

import numpy as np

from gpubp import initializers
from gpubp.engine.trace import Symbol
from gpubp.engine.variables import Variable


class Layer:
    """A function of arrays with variables. Subclasses define `build` (add_weight) and `call` (in `gpubp.ops`).

    Arguments:
        name: unique in a model; by default the class's name in snake case, numbered.
        trainable: whether optimizers change its weights. Default True.
    """

    stateful_randomness = False  # whether `call` draws random numbers and so takes a stream of its own

    def __init__(self, name: str | None = None, trainable: bool = True):
        self._given_name, self.name = name, name or snake_case(type(self).__name__)
        self.variables: list[Variable] = []
        self.built, self._trainable = False, trainable
        self.stream = 0  # tells the layer's random numbers from those of others
        self.rng = np.random.default_rng()

    def build(self, input_shape: tuple):
        """Makes the weights for inputs of a shape, whose first dimension, the rows, is None."""

    def call(self, inputs, training: bool = False):
        """The output, in ops."""
        raise NotImplementedError(f"the layer {self.name!r} ({type(self).__name__}) does not define call")

    def __call__(self, inputs, training: bool = False):
        """Builds the layer if needed, and computes: at once on arrays, by recording on symbols."""
        if not self.built:
            self.build_once((None, *np.shape(inputs)[1:]) if not isinstance(inputs, Symbol) else inputs.shape)
        if isinstance(inputs, Symbol):
            with inputs.graph.within(self.name):
                return self.call(inputs, training=training)
        return self.call(inputs, training=training)

    def build_once(self, input_shape: tuple):
        """Builds, unless that has been done."""
        if not self.built:
            self.build(input_shape)
            self.built = True

    def add_weight(self, shape, initializer: Any = "glorot_uniform", name: str = "weight", dtype="float32") -> Variable:
        """A trainable variable: its shape, initializer (a name or a function of shape and rng), name and dtype.

        Raises ValueError if the layer has a weight of that name, by which files and optimizers would mix them up.
        """
        if any(v.name == f"{self.name}/{name}" for v in self.variables):
            raise ValueError(f"the layer {self.name!r} has a weight {name!r} already; give this one another name")
        value = np.asarray(initializers.get(initializer)(tuple(shape), self.rng), dtype)
        variable = Variable(value, name=f"{self.name}/{name}", trainable=self._trainable)
        self.variables.append(variable)
        return variable

    @property
    def trainable(self) -> bool:
        """Whether optimizers change the layer's weights."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool):
        self._trainable = value
        for v in self.variables:
            v.trainable = value

    def get_config(self) -> dict:
        """The arguments that make an equal layer, as JSON knows them."""
        return {"name": self.name, "trainable": self._trainable}

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
