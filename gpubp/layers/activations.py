"""Activations as layers."""

import numpy as np

from gpubp import activations, ops
from gpubp.layers.base import Layer
from gpubp.layers.input_spec import InputSpec
from gpubp.layers.weights import keep_options, make_weight, options_of
from gpubp.ops.registry import dims


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


class ReLU(Layer):
    """min(x, max_value) above the threshold, negative_slope (x - threshold) below it.

    Arguments:
        max_value: float of at least 0; None for no limit. Default None.
        negative_slope: float of at least 0. Default 0.
        threshold: float of at least 0. Default 0.

    Raises:
        ValueError: for values out of range.

    Source: https://keras.io/api/layers/activation_layers/relu
    """

    def __init__(self, max_value=None, negative_slope=0.0, threshold=0.0, **others):
        super().__init__(**others)
        self.max_value = None if max_value is None else _not_negative(self, "max_value", max_value)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)
        self.threshold = _not_negative(self, "threshold", threshold)

    def call(self, inputs):
        return activations.relu(inputs, self.negative_slope, self.max_value, self.threshold)

    def get_config(self):
        own = {"max_value": self.max_value, "negative_slope": self.negative_slope, "threshold": self.threshold}
        return {**super().get_config(), **own}


class LeakyReLU(Layer):
    """x where it is positive, else negative_slope x.

    Arguments:
        negative_slope: float of at least 0. Default 0.3.

    Raises:
        ValueError: if it is negative.

    Source: https://keras.io/api/layers/activation_layers/leaky_relu
    """

    def __init__(self, negative_slope=0.3, **others):
        super().__init__(**others)
        self.negative_slope = _not_negative(self, "negative_slope", negative_slope)

    def call(self, inputs):
        return activations.leaky_relu(inputs, self.negative_slope)

    def get_config(self):
        return {**super().get_config(), "negative_slope": self.negative_slope}


class PReLU(Layer):
    """max(x, 0) + alpha min(x, 0), with a learned alpha for each element of a row.

    Arguments:
        alpha_initializer, alpha_regularizer, alpha_constraint: of the weight `alpha`. Defaults "zeros", none, none.
        shared_axes: axes along which all elements share one alpha, an int or several from 1. Default none.

    Source: K. He et al., Delving deep into rectifiers, ICCV 2015.
    """

    def __init__(
        self, alpha_initializer="zeros", alpha_regularizer=None, alpha_constraint=None, shared_axes=None, **others
    ):
        super().__init__(**others)
        keep_options(self, "alpha", alpha_initializer, alpha_regularizer, alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else list(shared_axes or [])

    def build(self, input_shape):
        rank = len(input_shape)
        if not all(isinstance(a, int) and 0 < a < rank for a in self.shared_axes):
            raise ValueError(
                f"the layer {self.name!r}: shared_axes must be in 1..{rank - 1} for inputs of shape {input_shape}; "
                f"they are {self.shared_axes}"
            )
        shape = tuple(1 if a in self.shared_axes else input_shape[a] for a in range(1, rank))
        self.alpha = make_weight(self, "alpha", shape)
        self.input_spec = InputSpec(rank, axes={a: n for a, n in enumerate(shape, 1) if a not in self.shared_axes})

    def call(self, inputs):
        return ops.relu(inputs) - self.alpha * ops.relu(-inputs)

    def get_config(self):
        return {**super().get_config(), **options_of(self, "alpha"), "shared_axes": self.shared_axes or None}


class ELU(Layer):
    """x where it is positive, else alpha (exp(x) - 1).

    Arguments:
        alpha: float. Default 1.

    Source: https://keras.io/api/layers/activation_layers/elu
    """

    def __init__(self, alpha=1.0, **others):
        super().__init__(**others)
        self.alpha = float(alpha)

    def call(self, inputs):
        return activations.elu(inputs, self.alpha)

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha}


class Softmax(Layer):
    """exp(x) / sum(exp(x)) along one or more axes.

    Arguments:
        axis: int or list of ints. Default -1.

    Called with `mask`, it gives 0 where that, which broadcasts to the inputs, is false.

    Raises:
        ValueError: at the call, if an axis is out of range.

    Source: https://keras.io/api/layers/activation_layers/softmax
    """

    def __init__(self, axis=-1, **others):
        super().__init__(**others)
        self.axis = axis if isinstance(axis, int) else list(axis)

    def call(self, inputs, mask=None):
        axis = self.axis if isinstance(self.axis, int) else tuple(self.axis)
        if mask is None:
            return activations.softmax(inputs, axis)
        # As in Keras a number, not -inf: of a line that is masked as a whole it leaves no NaN.
        return ops.where(mask, activations.softmax(ops.where(mask, inputs, -1e9), axis), 0.0)

    def _check_inputs(self, inputs):
        super()._check_inputs(inputs)
        rank = len(dims(inputs))
        if not all(-rank <= a < rank for a in ([self.axis] if isinstance(self.axis, int) else self.axis)):
            raise ValueError(f"the layer {self.name!r} has axis {self.axis}; its inputs have {rank} dimensions")

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


def _not_negative(layer, name: str, number) -> float:
    if isinstance(number, bool) or not isinstance(number, int | float | np.number) or not number >= 0:
        raise ValueError(f"{type(layer).__name__}: {name} must be a number of at least 0; it is {number!r}")
    return float(number)
