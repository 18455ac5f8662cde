"""The layers of a multilayer perceptron."""

import numpy as np

from gpubp import activations, constraints, initializers, ops, regularizers
from gpubp.layers import sketch
from gpubp.layers.base import Layer
from gpubp.ops.registry import dims, graph_of


class InputLayer(Layer):
    """Stands where a model's inputs come in: it tells their shape, without the rows.

    Arguments:
        shape: tuple of ints.
        batch_size: taken for compatibility; any number of rows is accepted. Default None.
        dtype: "float32" (the policy's, by default), "float64", or an integer dtype for indices.
        name: by which `fit` finds its part of a dict of inputs.

    Raises:
        ValueError: if a dimension is not a positive int.
    """

    def __init__(self, shape, batch_size=None, dtype=None, name=None, **others):
        integer = dtype is not None and np.dtype(dtype).kind in "iub"
        super().__init__(dtype=None if integer else dtype, name=name, **others)
        self.shape = tuple(shape)
        self.input_dtype = np.dtype(np.int64 if integer else self.dtype)
        if not all(isinstance(d, int | np.integer) and d > 0 for d in self.shape):
            raise ValueError(f"Input takes a shape of positive ints, without the rows; it got {shape!r}")
        self.built = True
        self.draw()

    def draw(self):
        """Makes the symbol that stands for the inputs."""
        self.symbol = sketch.source(self.shape, self.input_dtype)
        self.symbol.attrs["layer"] = self
        self._calls = [(self.symbol, self.symbol)]

    def call(self, inputs):
        return inputs

    def get_config(self):
        kept = {"shape": list(self.shape)}
        return {"name": self.name, **kept, **({"dtype": "int64"} if self.input_dtype.kind == "i" else {})}

    def __getstate__(self):
        return self.__dict__ | {"symbol": None, "_calls": []}


def Input(shape=None, batch_size=None, dtype=None, name=None, **others):  # noqa: N802 - Keras's name
    """A symbol that models are drawn from; in a Sequential it tells the shape of the inputs.

    Arguments and errors as of InputLayer.

    >>> from gpubp import Input, Model, layers
    >>> x = Input((3,))
    >>> model = Model(x, layers.Dense(2)(x))
    >>> model.output_shape
    (None, 2)
    """
    return InputLayer(shape, batch_size, dtype, name, **others).symbol


class Dense(Layer):
    """A fully connected layer: activation(x @ kernel + bias).

    Arguments:
        units: number of outputs.
        activation: name or function; None is linear. Default None.
        use_bias: default True.
        kernel_initializer, bias_initializer: names or functions of (shape, rng). Defaults "glorot_uniform", "zeros".
        kernel_regularizer, bias_regularizer: penalties, see `gpubp.regularizers`. Default none.
        kernel_constraint, bias_constraint: see `gpubp.constraints`. Default none.
        others: as of Layer.

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
        kernel_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        bias_constraint=None,
        **others,
    ):
        super().__init__(activity_regularizer=activity_regularizer, **others)
        if not isinstance(units, int | np.integer) or isinstance(units, bool) or units < 1:
            raise ValueError(f"Dense: units must be a positive int; it is {units!r}")
        self.units, self.use_bias = int(units), use_bias
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            (input_shape[-1], self.units),
            self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        if self.use_bias:
            self.bias = self.add_weight(
                (self.units,),
                self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def _check_inputs(self, inputs):
        shape = (None, *dims(inputs)[1:])
        if len(shape) < 2:
            raise ValueError(f"the layer {self.name!r} takes inputs of shape (rows, ..., features); it got {shape}")
        if self.built and shape[-1] != self.kernel.shape[0]:
            raise ValueError(
                f"the layer {self.name!r} takes inputs of shape (rows, ..., {self.kernel.shape[0]}); it got {shape}"
            )

    def call(self, inputs):
        x = ops.matmul(inputs, self.kernel)
        return self.activation(x + self.bias if self.use_bias else x)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.name_of(self.activation),
            "use_bias": self.use_bias,
            **serialized(self, "kernel", "bias"),
        }


class Activation(Layer):
    """Applies an activation to each element, or along the last axis for softmax.

    Arguments:
        activation: name or function.
    """

    def __init__(self, activation, **others):
        super().__init__(**others)
        self.activation = activations.get(activation)

    def call(self, inputs):
        return self.activation(inputs)

    def get_config(self):
        return {**super().get_config(), "activation": activations.name_of(self.activation)}


class Dropout(Layer):
    """In training sets each element to 0 with probability `rate` and divides the others by 1 - rate.

    Which are kept is a function of (seed, layer, step, row, column), the same on every device.

    Arguments:
        rate: float in [0, 1).
        noise_shape: tuple that broadcasts to the inputs' shape, None where it is as they are. Default that shape.
        seed: taken for compatibility: masks follow from the model's seed. Default None.

    Raises:
        ValueError: if `rate` is not in [0, 1).

    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.
    """

    def __init__(self, rate: float, noise_shape=None, seed=None, **others):
        super().__init__(**others)
        if isinstance(rate, bool) or not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate must be in [0, 1); it is {rate!r}")
        self.rate, self.noise_shape, self.seed = float(rate), noise_shape, seed

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        keep = random_keep(self, inputs, self.rate, self.noise_shape)
        return ops.where(keep, inputs * (1 / (1 - self.rate)), 0.0)

    def get_config(self):
        kept = {name: x for name, x in (("noise_shape", self.noise_shape), ("seed", self.seed)) if x is not None}
        return {**super().get_config(), "rate": self.rate, **kept}


def random_keep(layer, inputs, rate, noise_shape=None):
    """True with probability 1 - rate for each element of the inputs' shape, or of `noise_shape`, which broadcasts.

    Raises ValueError outside of a model's training, where there is no step to draw for.
    """
    graph = graph_of(inputs)
    if graph is None:
        raise ValueError(f"the layer {layer.name!r} draws random numbers only inside of a model's training")
    shape = dims(inputs)
    if noise_shape is not None:
        shape = tuple(d if n is None else n for d, n in zip(shape, noise_shape, strict=True))
    seed, step = graph.scalar("seed"), graph.scalar("step")
    return ops.random_keep(seed, step, shape=shape, rate=rate, stream=graph.draw(layer.stream))


def serialized(layer, *weights: str) -> dict:
    """The configuration of the initializers, regularizers and constraints of weights, those left out that are none."""
    described = {}
    for weight in weights:
        described[f"{weight}_initializer"] = initializers.serialize(getattr(layer, f"{weight}_initializer"))
        for kind in (regularizers, constraints):
            name = f"{weight}_{kind.__name__.rpartition('.')[2].removesuffix('s')}"
            if getattr(layer, name, None) is not None:
                described[name] = kind.serialize(getattr(layer, name))
    return described
