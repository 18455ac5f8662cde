"""Layers of several inputs."""

from collections.abc import Callable
from functools import reduce, wraps

from gpubp import ops
from gpubp.layers.base import Layer
from gpubp.ops.registry import dims
from gpubp.ops.shapes import broadcast, public, size


class Merge(Layer):
    """Base of layers that join a list of arrays element by element; subclasses define `merge(inputs)`.

    Arrays of fewer dimensions get dimensions of one behind that of the rows; then shapes broadcast.
    """

    least, most = 1, 1 << 30  # how many inputs it takes

    def _check_inputs(self, inputs):
        if not isinstance(inputs, list | tuple):
            raise ValueError(f"the layer {self.name!r} takes a list of arrays; it got one array")
        if not self.least <= len(inputs) <= self.most:
            many = f"{self.least}" if self.least == self.most else f"{self.least} or more"
            raise ValueError(f"the layer {self.name!r} takes {many} arrays; it got {len(inputs)}")
        shapes = [dims(x) for x in inputs]
        if not all(shapes) or len({s[0] for s in shapes}) > 1 or not self._fit([s[1:] for s in shapes]):
            shown = ", ".join(str((None, *public(s[1:])) if s else ()) for s in shapes)
            raise ValueError(f"the layer {self.name!r} can't join inputs of shapes {shown}")

    def _fit(self, shapes) -> bool:
        """Whether rows of these shapes can be joined."""
        try:
            broadcast(*shapes)
        except ValueError:
            return False
        return True

    def call(self, inputs):
        rank = max(len(dims(x)) for x in inputs)
        return self.merge([_of_rank(x, rank) for x in inputs])

    def merge(self, inputs):
        """The output for inputs of one rank."""
        raise NotImplementedError(f"{type(self).__name__} does not define merge")


class Add(Merge):
    """The sum of all inputs. Source: https://keras.io/api/layers/merging_layers"""

    def merge(self, inputs):
        return reduce(ops.add, inputs)


class Subtract(Merge):
    """The first of two inputs minus the second."""

    least = most = 2

    def merge(self, inputs):
        return ops.subtract(*inputs)


class Multiply(Merge):
    """The product of all inputs, element by element."""

    def merge(self, inputs):
        return reduce(ops.multiply, inputs)


class Average(Merge):
    """The mean of all inputs."""

    def merge(self, inputs):
        return reduce(ops.add, inputs) * (1 / len(inputs))


class Maximum(Merge):
    """The largest of all inputs, element by element."""

    def merge(self, inputs):
        return reduce(ops.maximum, inputs)


class Minimum(Merge):
    """The smallest of all inputs, element by element."""

    def merge(self, inputs):
        return reduce(ops.minimum, inputs)


class Concatenate(Merge):
    """All inputs, one behind the other along an axis.

    Arguments:
        axis: int; that of the rows is refused. Default -1.
        others: as of Layer.

    Raises:
        ValueError: at the call, if shapes differ elsewhere, or there is no such axis.

    Source: https://keras.io/api/layers/merging_layers/concatenate
    """

    def __init__(self, axis=-1, **others):
        super().__init__(**others)
        self.axis = axis

    def _fit(self, shapes):
        rank = len(shapes[0]) + 1
        axis = self.axis % rank - 1  # without the rows
        if not -rank <= self.axis < rank or axis < 0 or any(len(s) + 1 != rank for s in shapes):
            return False
        return len({s[:axis] + s[axis + 1 :] for s in shapes}) == 1

    def call(self, inputs):
        return ops.concatenate(inputs, self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


class Dot(Merge):
    """The products of two inputs' rows, summed along an axis of each: (rows, ..., n, ...) twice -> (rows, ..., ...).

    Of two matrices, the products of corresponding rows: (rows, 1).

    Arguments:
        axes: int or two ints, the axis of each input that is summed over.
        normalize: whether both are divided by their norm along it first, which gives the cosine. Default False.
        others: as of Layer.

    Raises:
        TypeError: for axes that are not ints.
        ValueError: at the call, if the axes are of different sizes, or that of the rows.

    Source: https://keras.io/api/layers/merging_layers/dot

    >>> import numpy as np
    >>> from gpubp import layers
    >>> x = np.array([[3.0, 4.0], [1.0, 0.0]])
    >>> print(layers.dot([x, x[::-1]], axes=-1, normalize=True).ravel().round(2))
    [0.6 0.6]
    """

    least = most = 2

    def __init__(self, axes, normalize=False, **others):
        super().__init__(**others)
        both = [axes, axes] if isinstance(axes, int) else list(axes)
        if len(both) != 2 or not all(isinstance(a, int) for a in both):
            raise TypeError(f"Dot: axes is an int or two ints; it is {axes!r}")
        self.axes, self.normalize = axes if isinstance(axes, int) else both, bool(normalize)

    def _axes(self, shapes) -> list[int]:
        """The axis of each input, counted without the rows; -1 for that of the rows or one that it has not."""
        both = [self.axes] * 2 if isinstance(self.axes, int) else self.axes
        ranks = [len(s) + 1 for s in shapes]
        return [a % n - 1 if -n <= a < n else -1 for a, n in zip(both, ranks, strict=True)]

    def _fit(self, shapes):
        first, second = self._axes(shapes)
        return first >= 0 and second >= 0 and shapes[0][first] == shapes[1][second]

    def call(self, inputs):
        x, y = inputs
        a, b = (k + 1 for k in self._axes([dims(x)[1:], dims(y)[1:]]))
        if self.normalize:
            x, y = ops.normalize(x, a), ops.normalize(y, b)
        if len(dims(x)) == len(dims(y)) == 2:
            return ops.sum(x * y, 1, keepdims=True)
        x, y = ops.moveaxis(x, a, -1), ops.moveaxis(y, b, 1)
        (rows, *left, n), right = dims(x), dims(y)[2:]
        product = ops.matmul(ops.reshape(x, (rows, size(tuple(left)), n)), ops.reshape(y, (rows, n, size(right))))
        return ops.reshape(product, (rows, *left, *right))

    def get_config(self):
        return {**super().get_config(), "axes": self.axes, "normalize": self.normalize}


def _of_rank(x, rank: int):
    shape = dims(x)
    return x if len(shape) == rank else ops.reshape(x, (shape[0], *(1,) * (rank - len(shape)), *shape[1:]))


def _function(layer: type[Layer]) -> Callable:
    """What makes a layer and calls it at once."""

    @wraps(layer, assigned=("__doc__", "__module__"), updated=())
    def function(inputs, *arguments, **options):
        return layer(*arguments, **options)(inputs)

    function.__name__ = function.__qualname__ = layer.__name__.lower()
    return function


add, subtract, multiply, average = map(_function, (Add, Subtract, Multiply, Average))
maximum, minimum, concatenate = map(_function, (Maximum, Minimum, Concatenate))


def dot(inputs, axes=-1, **options):
    """What a layer Dot gives for the inputs."""
    return Dot(axes, **options)(inputs)
