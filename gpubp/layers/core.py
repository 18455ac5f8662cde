"""The layers of a multilayer perceptron."""

import numpy as np

from gpubp import activations, initializers, ops
from gpubp.layers.base import Layer
from gpubp.ops.registry import graph_of


class Input(Layer):
    """Tells a model the shape of its inputs, without the rows.

    Arguments:
        shape: tuple of ints.

    Raises:
        ValueError: if a dimension is not a positive int.
    """

    def __init__(self, shape, name=None):
        super().__init__(name)
        self.shape = tuple(shape)
        if not all(isinstance(d, int) and d > 0 for d in self.shape):
            raise ValueError(f"Input takes a shape of positive ints, without the rows; it got {shape!r}")

    def call(self, inputs, training=False):
        return inputs

    def get_config(self):
        return {"name": self.name, "shape": list(self.shape)}


class Dense(Layer):
    """A fully connected layer: activation(x @ kernel + bias).

    Arguments:
        units: number of outputs.
        activation: name or function; None is linear. Default None.
        use_bias: default True.
        kernel_initializer, bias_initializer: names or functions of (shape, rng). Defaults "glorot_uniform", "zeros".

    Inputs are (rows, ..., features), outputs (rows, ..., units); the kernel is (features, units).

    Raises:
        ValueError: if `units` is not a positive int, or inputs have another number of features than it was built for.
    """

    def __init__(
        self,
        units: int,
        activation=None,
        use_bias: bool = True,
        kernel_initializer="glorot_uniform",
        bias_initializer="zeros",
        name=None,
        trainable=True,
    ):
        super().__init__(name, trainable)
        if not isinstance(units, int | np.integer) or units < 1:
            raise ValueError(f"Dense: units must be a positive int; it is {units!r}")
        self.units, self.use_bias = int(units), use_bias
        self.activation = activations.get(activation)
        initializers.get(kernel_initializer), initializers.get(bias_initializer)
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer

    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), self.kernel_initializer, "kernel")
        if self.use_bias:
            self.bias = self.add_weight((self.units,), self.bias_initializer, "bias")

    def call(self, inputs, training=False):
        features = self.kernel.shape[0]
        if len(inputs.shape) < 2 or inputs.shape[-1] != features:
            raise ValueError(
                f"the layer {self.name!r} takes inputs of shape (rows, ..., {features}); it got {inputs.shape}"
            )
        x = ops.matmul(inputs, self.kernel)
        return self.activation(x + self.bias if self.use_bias else x)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.name_of(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": self.kernel_initializer,
            "bias_initializer": self.bias_initializer,
        }


class Activation(Layer):
    """Applies an activation to each element, or along the last axis for softmax.

    Arguments:
        activation: name or function.
    """

    def __init__(self, activation, name=None):
        super().__init__(name)
        self.activation = activations.get(activation)

    def call(self, inputs, training=False):
        return self.activation(inputs)

    def get_config(self):
        return {"name": self.name, "activation": activations.name_of(self.activation)}


class Dropout(Layer):
    """In training sets each element to 0 with probability `rate` and divides the others by 1 - rate.

    Which are kept is a function of (seed, layer, step, row, column), the same on every device.

    Arguments:
        rate: float in [0, 1).

    Raises:
        ValueError: if `rate` is not in [0, 1).

    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.
    """

    stateful_randomness = True

    def __init__(self, rate: float, name=None):
        super().__init__(name)
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be in [0, 1); it is {rate!r}")
        self.rate = float(rate)

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        if graph_of(inputs) is None:
            raise ValueError(f"the layer {self.name!r} drops elements only inside of a model's training")
        graph = inputs.graph
        keep = ops.random_keep(
            graph.scalar("seed"), graph.scalar("step"), shape=inputs.dims, rate=self.rate, stream=self.stream
        )
        return ops.where(keep, inputs * (1 / (1 - self.rate)), 0.0)

    def get_config(self):
        return {"name": self.name, "rate": self.rate}
