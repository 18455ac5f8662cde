"""Layers that change the shape of each row."""

import numpy as np

from gpubp import ops
from gpubp.layers.base import Layer
from gpubp.layers.input_spec import InputSpec
from gpubp.ops.registry import dims
from gpubp.ops.shapes import size


class Flatten(Layer):
    """Each row as a vector: (rows, ...) -> (rows, n).

    Arguments:
        data_format: "channels_last", or "channels_first" to move axis 1 behind the others before. Default the former.

    Raises:
        ValueError: for another format.

    Source: https://keras.io/api/layers/reshaping_layers/flatten
    """

    def __init__(self, data_format=None, **others):
        super().__init__(**others)
        if data_format not in (None, "channels_last", "channels_first"):
            raise ValueError(f"Flatten: data_format is 'channels_last' or 'channels_first'; it is {data_format!r}")
        self.data_format = data_format or "channels_last"

    def call(self, inputs):
        if self.data_format == "channels_first" and len(dims(inputs)) > 2:
            inputs = ops.moveaxis(inputs, 1, -1)
        return ops.reshape(inputs, (dims(inputs)[0], size(dims(inputs)[1:])))

    def get_config(self):
        return {**super().get_config(), "data_format": self.data_format}


class Reshape(Layer):
    """Each row in another shape.

    Arguments:
        target_shape: tuple of ints, without the rows; one may be -1, which follows from the others.

    Raises:
        ValueError: if the shape is not such, or has another number of elements than the inputs' rows.

    Source: https://keras.io/api/layers/reshaping_layers/reshape
    """

    def __init__(self, target_shape, **others):
        super().__init__(**others)
        self.target_shape = tuple(target_shape)
        right = all(isinstance(n, int | np.integer) and (n > 0 or n == -1) for n in self.target_shape)
        if not right or self.target_shape.count(-1) > 1:
            raise ValueError(f"Reshape: target_shape is of ints > 0, one may be -1; it is {target_shape!r}")

    def _check_inputs(self, inputs):
        super()._check_inputs(inputs)
        n, wanted = size(dims(inputs)[1:]), size(tuple(x for x in self.target_shape if x != -1))
        if n % wanted or (n != wanted and -1 not in self.target_shape):
            raise ValueError(
                f"the layer {self.name!r} makes rows of shape {self.target_shape}, which inputs of shape "
                f"{(None, *dims(inputs)[1:])} can't have"
            )

    def call(self, inputs):
        rest = size(dims(inputs)[1:]) // size(tuple(n for n in self.target_shape if n != -1))
        return ops.reshape(inputs, (dims(inputs)[0], *(rest if n == -1 else n for n in self.target_shape)))

    def get_config(self):
        return {**super().get_config(), "target_shape": [int(n) for n in self.target_shape]}


class Permute(Layer):
    """The axes of each row in another order.

    Arguments:
        dims: tuple, the permutation of 1 to n: which axis of the inputs each of the outputs is.

    Raises:
        ValueError: if it is not a permutation, or inputs have another number of axes.

    Source: https://keras.io/api/layers/reshaping_layers/permute
    """

    def __init__(self, dims, **others):
        super().__init__(**others)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            raise ValueError(f"Permute: dims is a permutation of 1, 2, ...; it is {dims!r}")
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs):
        return ops.transpose(inputs, (0, *self.dims))

    def get_config(self):
        return {**super().get_config(), "dims": list(self.dims)}


class RepeatVector(Layer):
    """Each row n times: (rows, features) -> (rows, n, features).

    Arguments:
        n: int > 0.

    Raises:
        ValueError: if it is not, or inputs are not matrices.

    Source: https://keras.io/api/layers/reshaping_layers/repeat_vector
    """

    def __init__(self, n: int, **others):
        super().__init__(**others)
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise ValueError(f"RepeatVector: n must be a positive int; it is {n!r}")
        self.n = int(n)
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs):
        rows, features = dims(inputs)
        return ops.broadcast_to(ops.expand_dims(inputs, 1), (rows, self.n, features))

    def get_config(self):
        return {**super().get_config(), "n": self.n}
