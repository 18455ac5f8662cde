"""Layers that bring features to a common scale."""

from math import prod

import numpy as np

from gpubp import config, ops
from gpubp.backend import asnumpy
from gpubp.layers.base import Layer
from gpubp.layers.input_spec import InputSpec
from gpubp.layers.normalization import along, normal_axes, sizes_along
from gpubp.ops.registry import dims

CHUNK = 1 << 22  # elements of an array that are looked at together


class Normalization(Layer):
    """(x - mean) / sqrt(variance) of each feature, which `adapt` takes from data.

    Arguments:
        axis: int or several, the axes whose places each have a mean and a variance; None for one of all. Default -1.
        mean, variance: numbers or arrays that broadcast to those axes, instead of `adapt`; both or none.
        invert: whether to compute x sqrt(variance) + mean instead. Default False.
        others: as of Layer.

    Raises:
        ValueError: if only one of mean and variance is given or their shapes differ, or for axes that inputs have not.

    Source: https://keras.io/api/layers/preprocessing_layers/numerical/normalization

    >>> import numpy as np
    >>> from gpubp import layers
    >>> layer = layers.Normalization()
    >>> layer.adapt(np.array([[0.0, 7.0], [2.0, 9.0], [0.0, 7.0], [2.0, 9.0]]))
    >>> layer(np.array([[0.0, 7.0]])).tolist()
    [[-1.0, -1.0]]
    """

    def __init__(self, axis=-1, mean=None, variance=None, invert=False, **others):
        super().__init__(**others)
        if (mean is None) != (variance is None) or np.shape(mean) != np.shape(variance):
            raise ValueError("Normalization: mean and variance are given together, in the same shape, or not at all")
        self.axis = axis if axis is None or isinstance(axis, int) else list(axis)
        self.invert = bool(invert)
        self.given = None if mean is None else [np.asarray(x, np.float64) for x in (mean, variance)]

    def build(self, input_shape):
        axes = self._axes(input_shape)
        sizes = sizes_along(self, input_shape, axes)
        self.input_spec = InputSpec(len(input_shape), axes=dict(zip(axes, sizes, strict=True)))
        start = ["zeros", "ones"] if self.given is None else [self._spread(x, sizes) for x in self.given]
        self.mean = self.add_weight(sizes, start[0], trainable=False, name="mean")
        self.variance = self.add_weight(sizes, start[1], trainable=False, name="variance")

    def _axes(self, shape) -> tuple[int, ...]:
        return () if self.axis is None else normal_axes(self, self.axis, shape)

    def _spread(self, given, sizes):
        try:
            return np.broadcast_to(given, sizes)
        except ValueError:
            raise ValueError(
                f"the layer {self.name!r} has a mean of shape {given.shape}; its features have shape {sizes}"
            ) from None

    def adapt(self, data):
        """Takes mean and variance, computed in float64, from data; what was known before is forgotten.

        Arguments:
            data: array (rows, ...), also one of a GPU, or an iterable of such arrays: batches.

        Raises:
            ValueError: if there is no row, features are not those that the layer was built for, or mean and variance
                were given.
        """
        if self.given is not None:
            raise ValueError(f"the layer {self.name!r} was given its mean and variance; make one without to adapt it")
        count, mean, square = 0, np.float64(0), np.float64(0)
        for batch in _batches(data):
            self._check_inputs(batch)
            self.build_once((None, *batch.shape[1:]))
            others = tuple(a for a in range(batch.ndim) if a not in self._axes(batch.shape))
            n = np.prod([batch.shape[a] for a in others])
            if not n:
                continue
            own = batch.mean(others, dtype=np.float64)
            deviations = batch - own.reshape([d if a not in others else 1 for a, d in enumerate(batch.shape)])
            # Two parts together: their squares, and those of the step between their means (T. Chan et al., 1979).
            square = square + np.square(deviations).sum(others) + np.square(own - mean) * (count * n / (count + n))
            mean = mean + (own - mean) * (n / (count + n))
            count += n
        if not count:
            raise ValueError(f"the layer {self.name!r} can't adapt to data without rows")
        self.mean.assign(mean)
        self.variance.assign(square / count)

    def call(self, inputs):
        axes = self._axes(dims(inputs))
        inputs = ops.cast(inputs, self.dtype)
        mean = along(self.mean, axes, inputs)
        deviation = ops.maximum(ops.sqrt(along(self.variance, axes, inputs)), config.epsilon())
        return inputs * deviation + mean if self.invert else (inputs - mean) / deviation

    def get_config(self):
        mean, variance = (None, None) if self.given is None else (x.tolist() for x in self.given)
        own = {"axis": self.axis, "mean": mean, "variance": variance, "invert": self.invert}
        return {**super().get_config(), **own}


def _batches(data):
    """The batches of data, arrays in chunks, so that large ones are not copied as a whole."""
    if not hasattr(data, "__array__"):
        for batch in data:
            yield from _batches(asnumpy(batch[0] if isinstance(batch, tuple) else batch))
        return
    array = data if hasattr(data, "__cuda_array_interface__") else np.asarray(data)
    if array.ndim < 1:
        raise ValueError("data to adapt to has rows; this is a number")
    rows = max(1, CHUNK // max(1, prod(array.shape[1:])))
    yield from (asnumpy(array[k : k + rows]) for k in range(0, len(array), rows))


class Rescaling(Layer):
    """scale x + offset.

    Arguments:
        scale: number, or list of one for each place along the last axis: 1 / 255 for bytes.
        offset: likewise. Default 0.
        others: as of Layer.

    Source: https://keras.io/api/layers/preprocessing_layers/image_preprocessing/rescaling

    >>> import numpy as np
    >>> from gpubp import layers
    >>> print(layers.Rescaling(1 / 255)(np.array([0, 51, 255], np.uint8)).round(3))
    [0.  0.2 1. ]
    """

    def __init__(self, scale, offset=0.0, **others):
        super().__init__(**others)
        self.scale, self.offset = (np.asarray(x, np.float64).tolist() for x in (scale, offset))

    def call(self, inputs):
        scale, offset = (np.asarray(x, self.dtype) for x in (self.scale, self.offset))
        return ops.cast(inputs, self.dtype) * scale + offset

    def get_config(self):
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}
