"""Layers that bring mean and variance to where learning is easy."""

from gpubp import ops
from gpubp.layers.base import Layer
from gpubp.layers.input_spec import InputSpec
from gpubp.layers.weights import keep_options, make_weight, options_of
from gpubp.ops.registry import dims, graph_of


class _ScaleAndShift(Layer):
    """Layers that normalise along axes, then multiply by gamma and add beta.

    Arguments:
        epsilon: float > 0, added to the variance.
        center, scale: whether there is a beta, a gamma.
        others: as of Layer, and initializer, regularizer and constraint of the two.
    """

    def __init__(
        self,
        epsilon,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **others,
    ):
        super().__init__(**others)
        if not epsilon > 0:
            raise ValueError(f"{type(self).__name__}: epsilon must be greater than 0; it is {epsilon!r}")
        self.epsilon, self.center, self.scale = float(epsilon), bool(center), bool(scale)
        keep_options(self, "gamma", gamma_initializer, gamma_regularizer, gamma_constraint)
        keep_options(self, "beta", beta_initializer, beta_regularizer, beta_constraint)

    def make_scale_and_shift(self, input_shape, axes):
        """Makes gamma and beta, with an element for each place along the axes."""
        shape = sizes_along(self, input_shape, axes)
        self.gamma = make_weight(self, "gamma", shape) if self.scale else None
        self.beta = make_weight(self, "beta", shape) if self.center else None
        self.input_spec = InputSpec(len(input_shape), axes=dict(zip(axes, shape, strict=True)))

    def normalised(self, inputs, mean, variance, axes):
        """(x - mean) / sqrt(variance + epsilon) * gamma + beta."""
        y = (inputs - mean) * ops.rsqrt(ops.add(variance, self.epsilon))
        y = y if self.gamma is None else y * along(self.gamma, axes, inputs)
        return y if self.beta is None else y + along(self.beta, axes, inputs)

    def get_config(self):
        own = {"epsilon": self.epsilon, "center": self.center, "scale": self.scale}
        return {**super().get_config(), **own, **options_of(self, "gamma", "beta")}


class BatchNormalization(_ScaleAndShift):
    """Normalises each feature: in training by mean and variance over the batch, otherwise by their moving averages.

    y = gamma (x - mean) / sqrt(variance + epsilon) + beta. After each step of training
    moving <- momentum moving + (1 - momentum) of the batch, for both, where the variance is that of the rows, not an
    estimate. A frozen layer (`trainable` False) normalises by the averages and keeps them.

    A short last batch is normalised by its own rows. Accumulated gradients do not equal those of a larger batch here:
    each part is normalised by itself.

    Arguments:
        axis: that of the features; the mean is taken over all others. Default -1.
        momentum: float in [0, 1]. Default 0.99.
        epsilon: float > 0. Default 0.001.
        center, scale: whether there is a beta, a gamma. Default True.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: defaults "zeros",
            "ones", "zeros", "ones".
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: default none.
        others: as of Layer.

    Raises:
        ValueError: for values out of range, or an axis that inputs have not.

    Source: S. Ioffe, C. Szegedy, Batch normalization, ICML 2015; https://keras.io/api/layers/normalization_layers

    >>> import numpy as np
    >>> from gpubp import layers
    >>> layer = layers.BatchNormalization(momentum=0.5)
    >>> y = layer(np.array([[1.0], [3.0]]), training=True)
    >>> layer.moving_mean.numpy().tolist(), layer.moving_variance.numpy().tolist()
    ([1.0], [1.0])
    """

    def __init__(
        self,
        axis=-1,
        momentum=0.99,
        epsilon=0.001,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        moving_mean_initializer="zeros",
        moving_variance_initializer="ones",
        **others,
    ):
        super().__init__(epsilon, center, scale, beta_initializer, gamma_initializer, **others)
        if not 0 <= momentum <= 1:
            raise ValueError(f"BatchNormalization: momentum must be in [0, 1]; it is {momentum!r}")
        self.axis, self.momentum = int(axis), float(momentum)
        keep_options(self, "moving_mean", moving_mean_initializer)
        keep_options(self, "moving_variance", moving_variance_initializer)

    def build(self, input_shape):
        axes = normal_axes(self, self.axis, input_shape)
        self.make_scale_and_shift(input_shape, axes)
        shape = sizes_along(self, input_shape, axes)
        self.moving_mean = make_weight(self, "moving_mean", shape, trainable=False)
        self.moving_variance = make_weight(self, "moving_variance", shape, trainable=False)

    def call(self, inputs, training=False):
        axes = normal_axes(self, self.axis, dims(inputs))
        if not (training and self.trainable):
            mean, variance = (along(v, axes, inputs) for v in (self.moving_mean, self.moving_variance))
            return self.normalised(inputs, mean, variance, axes)
        others = tuple(a for a in range(len(dims(inputs))) if a not in axes)
        mean = ops.mean(inputs, others, keepdims=True)
        variance = ops.mean(ops.square(inputs - mean), others, keepdims=True)
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance)
        return self.normalised(inputs, mean, variance, axes)

    def _follow(self, moving, new):
        """Moves a moving average towards a new value. A layer that is called twice in a step does so twice."""
        graph = graph_of(new)
        old = moving if graph is None else graph.assignments.get(moving, moving)
        new = ops.stop_gradient(ops.reshape(new, moving.shape))
        moving.assign(ops.multiply(old, self.momentum) + new * (1 - self.momentum))

    def get_config(self):
        own = {"axis": self.axis, "momentum": self.momentum}
        return {**super().get_config(), **own, **options_of(self, "moving_mean", "moving_variance")}


class LayerNormalization(_ScaleAndShift):
    """Normalises each row by its own mean and variance: y = gamma (x - mean) / sqrt(variance + epsilon) + beta.

    Arguments:
        axis: int or list of ints, the axes over which the mean is taken and which gamma and beta span. Default -1.
        epsilon: float > 0. Default 0.001.
        center, scale: whether there is a beta, a gamma. Default True.
        beta_initializer, gamma_initializer: defaults "zeros", "ones".
        beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: default none.
        others: as of Layer.

    Raises:
        ValueError: for values out of range, or axes that inputs have not.

    Source: J. Ba, J. Kiros, G. Hinton, Layer normalization, 2016; https://keras.io/api/layers/normalization_layers
    """

    def __init__(self, axis=-1, epsilon=0.001, center=True, scale=True, **others):
        super().__init__(epsilon, center, scale, **others)
        self.axis = axis if isinstance(axis, int) else list(axis)

    def build(self, input_shape):
        self.make_scale_and_shift(input_shape, normal_axes(self, self.axis, input_shape))

    def call(self, inputs):
        axes = normal_axes(self, self.axis, dims(inputs))
        mean = ops.mean(inputs, axes, keepdims=True)
        variance = ops.mean(ops.square(inputs - mean), axes, keepdims=True)
        return self.normalised(inputs, mean, variance, axes)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


class RMSNormalization(Layer):
    """Divides each row by its root mean square: y = scale x / sqrt(mean(x^2) + epsilon).

    Arguments:
        axis: int or list of ints, the axes over which the mean is taken and which `scale` spans. Default -1.
        epsilon: float > 0. Default 1e-6.
        others: as of Layer.

    Raises:
        ValueError: for values out of range, or axes that inputs have not.

    Source: B. Zhang, R. Sennrich, Root mean square layer normalization, NeurIPS 2019.
    """

    def __init__(self, axis=-1, epsilon=1e-6, **others):
        super().__init__(**others)
        if not epsilon > 0:
            raise ValueError(f"RMSNormalization: epsilon must be greater than 0; it is {epsilon!r}")
        self.axis, self.epsilon = axis if isinstance(axis, int) else list(axis), float(epsilon)

    def build(self, input_shape):
        axes = normal_axes(self, self.axis, input_shape)
        shape = sizes_along(self, input_shape, axes)
        self.scale = self.add_weight(shape, "ones", name="scale")
        self.input_spec = InputSpec(len(input_shape), axes=dict(zip(axes, shape, strict=True)))

    def call(self, inputs):
        axes = normal_axes(self, self.axis, dims(inputs))
        square = ops.mean(ops.square(inputs), axes, keepdims=True)
        return inputs * ops.rsqrt(square + self.epsilon) * along(self.scale, axes, inputs)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "epsilon": self.epsilon}


def normal_axes(layer, axis, shape) -> tuple[int, ...]:
    """One or more axes as a sorted tuple, none of them that of the rows. Raises ValueError, which names the layer."""
    rank, given = len(shape), [axis] if isinstance(axis, int) else axis
    axes = sorted({a % rank for a in given if -rank <= a < rank})
    if len(axes) < len(given) or 0 in axes or not axes:
        raise ValueError(
            f"the layer {layer.name!r} has axis {axis}; inputs have the axes 1 to {rank - 1} behind that of the rows"
        )
    return tuple(axes)


def sizes_along(layer, shape, axes) -> tuple[int, ...]:
    """The sizes of the axes. Raises ValueError where one is not known."""
    if any(shape[a] is None for a in axes):
        raise ValueError(f"the layer {layer.name!r} needs to know the size of the axes {list(axes)} of {tuple(shape)}")
    return tuple(shape[a] for a in axes)


def along(weight, axes, inputs):
    """A weight whose dimensions are some axes of the inputs, in a shape that broadcasts to theirs."""
    rank = len(dims(inputs))
    if axes == tuple(range(rank - len(axes), rank)):
        return weight
    return ops.reshape(weight, tuple(dims(inputs)[a] if a in axes else 1 for a in range(rank)))
