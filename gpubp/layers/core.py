"""The layers of a multilayer perceptron, and those that hold a function."""

import inspect

import numpy as np

from gpubp import activations, ops
from gpubp.layers import sketch
from gpubp.layers.base import Layer
from gpubp.layers.input_spec import InputSpec
from gpubp.layers.weights import keep_options, make_weight, options_of


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
        given = (shape,) if shape is None or isinstance(shape, int | np.integer) else tuple(shape)
        if not all(isinstance(d, int | np.integer) and d > 0 for d in given):
            raise ValueError(f"Input takes a shape of positive ints, without the rows; it got {shape!r}")
        self.shape = tuple(int(d) for d in given)  # NumPy's would count as unknown
        self.input_dtype = np.dtype(np.int64 if integer else self.dtype)
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
        dtype = self.input_dtype.name
        return {"name": self.name, "shape": list(self.shape), **({} if dtype == "float32" else {"dtype": dtype})}

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
        self.input_spec = InputSpec(min_ndim=2)
        keep_options(self, "kernel", kernel_initializer, kernel_regularizer, kernel_constraint)
        keep_options(self, "bias", bias_initializer, bias_regularizer, bias_constraint)

    def build(self, input_shape):
        self.kernel = make_weight(self, "kernel", (input_shape[-1], self.units))
        if self.use_bias:
            self.bias = make_weight(self, "bias", (self.units,))
        self.input_spec = InputSpec(min_ndim=2, axes={-1: input_shape[-1]})

    def call(self, inputs):
        x = ops.matmul(inputs, self.kernel)
        return self.activation(x + self.bias if self.use_bias else x)

    def get_config(self):
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.name_of(self.activation),
            "use_bias": self.use_bias,
            **options_of(self, "kernel", "bias"),
        }


class Identity(Layer):
    """The inputs as they are."""

    def call(self, inputs):
        return inputs


class Lambda(Layer):
    """Applies a function that is written in `gpubp.ops`. Files can't keep it: for them write a class.

    Arguments:
        function: called with the inputs, and with `training` if it takes that.
        output_shape: taken for compatibility: the shape follows from the function.
        arguments: dict of further arguments of the function. Default none.

    Raises:
        TypeError: if `function` can't be called.

    Source: https://keras.io/api/layers/core_layers/lambda

    >>> import numpy as np
    >>> from gpubp import layers, ops
    >>> layers.Lambda(ops.square)(np.array([[1.0, -3.0]])).tolist()
    [[1.0, 9.0]]
    """

    def __init__(self, function, output_shape=None, arguments: dict | None = None, **others):
        super().__init__(**others)
        if not callable(function):
            raise TypeError(f"Lambda takes a function; this is {function!r}")
        self.function, self.arguments = function, dict(arguments or {})
        self._passes_training = "training" in inspect.signature(function).parameters

    def call(self, inputs, training=False):
        arguments = self.arguments | ({"training": training} if self._passes_training else {})
        return self.function(inputs, **arguments)

    def get_config(self):
        return {**super().get_config(), "function": self.function, "arguments": self.arguments}
