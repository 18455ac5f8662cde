"""Layers that make training harder so that models generalise: random ones, and penalties on activity.

What is drawn is a function of (seed, layer, step, row, column), so the same on every device.
"""

import numpy as np

from gpubp import ops
from gpubp.layers.base import Layer
from gpubp.layers.input_spec import InputSpec
from gpubp.ops.activations import SELU_ALPHA, SELU_SCALE
from gpubp.ops.registry import dims, graph_of
from gpubp.random import SeedGenerator
from gpubp.regularizers import L1L2


class RandomLayer(Layer):
    """Base of layers that draw random numbers in training.

    In a model's training, seed and step are the model's. Called with training=True on arrays or in a function that is
    recorded, a layer draws by a seed of its own, anew at each call.

    Arguments:
        seed: int, for calls outside of a model's training. Default one drawn.
        others: as of Layer.
    """

    def __init__(self, seed: int | None = None, **others):
        super().__init__(**others)
        self.seed, self.seed_generator = seed, SeedGenerator(seed, type(self).__name__)

    def draw_keep(self, inputs, rate: float, noise_shape=None):
        """True with probability 1 - rate for each element of the inputs' shape, or of `noise_shape`."""
        shape = dims(inputs)
        if noise_shape is not None:
            shape = tuple(d if n is None else n for d, n in zip(shape, noise_shape, strict=True))
        return ops.random_keep(*self._moment(inputs), shape=shape, rate=rate, stream=self._stream(inputs))

    def draw_normal(self, inputs):
        """Standard normal numbers of the inputs' shape and dtype."""
        shape, dtype = dims(inputs), np.dtype(inputs.dtype).name
        return ops.random_normal(*self._moment(inputs), shape=shape, stream=self._stream(inputs), dtype=dtype)

    def _moment(self, inputs):
        """Seed and step."""
        return self.seed_generator.moment(graph_of(inputs))

    def _stream(self, inputs) -> int:
        graph = graph_of(inputs)
        return self.stream if graph is None else graph.draw(self.stream)

    def get_config(self):
        return super().get_config() | ({} if self.seed is None else {"seed": self.seed})


class _WithRate(RandomLayer):
    """Layers with a rate, which do nothing if it is 0."""

    def __init__(self, rate: float, seed=None, **others):
        super().__init__(seed, **others)
        if isinstance(rate, bool) or not isinstance(rate, int | float | np.number) or not 0 <= rate < 1:
            raise ValueError(f"{type(self).__name__}: rate must be in [0, 1); it is {rate!r}")
        self.rate = float(rate)

    def call(self, inputs, training=False):
        return self.noisy(inputs) if training and self.rate else inputs

    def noisy(self, inputs):
        """The outputs in training."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "rate": self.rate}


class Dropout(_WithRate):
    """In training sets each element to 0 with probability `rate` and divides the others by 1 - rate.

    Arguments:
        rate: float in [0, 1).
        noise_shape: tuple that broadcasts to the inputs' shape, None where it is as they are. Default that shape.
        seed, others: as of RandomLayer.

    Raises:
        ValueError: for a rate that is not in [0, 1), or a noise_shape that is not of ints > 0 and None.

    Source: N. Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, JMLR 15, 2014.
    """

    def __init__(self, rate: float, noise_shape=None, seed=None, **others):
        super().__init__(rate, seed, **others)
        self.noise_shape = None if noise_shape is None else list(noise_shape)
        if not all(n is None or (isinstance(n, int) and n > 0) for n in self.noise_shape or ()):
            raise ValueError(f"{type(self).__name__}: noise_shape consists of ints > 0 and None; it is {noise_shape!r}")
        if self.noise_shape is not None:
            self.input_spec = InputSpec(ndim=len(self.noise_shape))

    def noisy(self, inputs):
        keep = self.draw_keep(inputs, self.rate, self.noise_shape)
        return ops.where(keep, inputs * (1 / (1 - self.rate)), 0.0)

    def get_config(self):
        return super().get_config() | ({} if self.noise_shape is None else {"noise_shape": self.noise_shape})


class AlphaDropout(Dropout):
    """Dropout that keeps mean 0 and variance 1: what is dropped gets the limit of selu, then all is scaled and shifted.

    With l = -alpha scale of selu and q = 1 - rate: y = a x + b where it is kept, a l + b where it is dropped;
    a = (q (1 + rate l^2))^(-1/2), b = -a l rate.

    Arguments and errors as of Dropout.

    Source: G. Klambauer et al., Self-normalizing neural networks, NIPS 2017.
    """

    def noisy(self, inputs):
        limit = -SELU_ALPHA * SELU_SCALE
        a = ((1 - self.rate) * (1 + self.rate * limit**2)) ** -0.5
        return ops.where(self.draw_keep(inputs, self.rate, self.noise_shape), inputs, limit) * a - a * limit * self.rate


class GaussianDropout(_WithRate):
    """In training multiplies by normal numbers of mean 1 and deviation sqrt(rate / (1 - rate)).

    Arguments:
        rate: float in [0, 1).
        seed, others: as of RandomLayer.

    Raises:
        ValueError: if the rate is not in [0, 1).

    Source: N. Srivastava et al., JMLR 15, 2014, section 10.
    """

    def noisy(self, inputs):
        return inputs * (1.0 + (self.rate / (1 - self.rate)) ** 0.5 * self.draw_normal(inputs))


class GaussianNoise(RandomLayer):
    """In training adds normal numbers of mean 0.

    Arguments:
        stddev: their deviation, a float in [0, 1].
        seed, others: as of RandomLayer.

    Raises:
        ValueError: if the deviation is not in [0, 1].

    Source: https://keras.io/api/layers/regularization_layers/gaussian_noise
    """

    def __init__(self, stddev: float, seed=None, **others):
        super().__init__(seed, **others)
        if isinstance(stddev, bool) or not isinstance(stddev, int | float | np.number) or not 0 <= stddev <= 1:
            raise ValueError(f"GaussianNoise: stddev must be in [0, 1]; it is {stddev!r}")
        self.stddev = float(stddev)

    def call(self, inputs, training=False):
        return inputs + self.stddev * self.draw_normal(inputs) if training and self.stddev else inputs

    def get_config(self):
        return {**super().get_config(), "stddev": self.stddev}


class ActivityRegularization(Layer):
    """The inputs as they are; l1 sum(|x|) + l2 sum(x^2), divided by the rows, is added to the loss.

    Arguments:
        l1, l2: floats of at least 0. Default 0.

    Raises:
        ValueError: for values out of range.

    Source: https://keras.io/api/layers/regularization_layers/activity_regularization
    """

    def __init__(self, l1=0.0, l2=0.0, **others):
        super().__init__(activity_regularizer=L1L2(l1, l2), **others)

    def call(self, inputs):
        return inputs

    def get_config(self):
        described = super().get_config()
        penalty = described.pop("activity_regularizer")
        return {**described, **penalty["config"]}
