"""Random numbers under the names of `keras.random`. Source: https://keras.io/api/random

What a `seed` means: an int draws the same at every call. A `SeedGenerator` draws anew at each call, and so does None,
by a seed of its own each time, which follows from `set_random_seed`. Where a model's `call` is recorded, both draw what
follows from the model's seed and the step, so that it is the same on every device and after a resume.
"""

import numpy as np

from gpubp import config, ops
from gpubp.ops.registry import RECORDING, dims, resolved, value
from gpubp.ops.shapes import Dim
from gpubp.utils import next_seed


class SeedGenerator:
    """Has functions draw other numbers at each call.

    Arguments:
        seed: int, of draws outside of models. Default one that is drawn.
        name: by which errors call it. Default the class's.

    Raises:
        ValueError: if the seed is not an int.

    >>> from gpubp import random
    >>> one, two = random.SeedGenerator(3), random.SeedGenerator(3)
    >>> first, second = random.normal((2,), seed=one), random.normal((2,), seed=one)
    >>> bool((first == second).any()), bool((random.normal((2,), seed=two) == first).all())
    (False, True)
    """

    def __init__(self, seed: int | None = None, name: str | None = None):
        self.seed, self.name = None if seed is None else _checked(seed, name or "SeedGenerator"), name
        self._own, self._drawn = self.seed, 0

    def next(self, ordered: bool = True) -> np.ndarray:
        """The seed, and how often it was drawn from before: int64 (2,). `ordered` is taken for compatibility."""
        if self._own is None:
            self._own = next_seed()
        self._drawn += 1
        return np.array([self._own, self._drawn - 1])

    def moment(self, graph) -> tuple:
        """Seed and step of a draw, while a graph is recorded or, where it is None, now."""
        if graph is not None and graph.knows("seed"):
            return graph.scalar("seed"), graph.scalar("step")
        return tuple(map(int, self.next()))

    def get_config(self) -> dict:
        """The arguments that make an equal one."""
        return {"seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict):
        """The generator of a configuration that `get_config` gave."""
        return cls(**config)


def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    """Normal numbers.

    Arguments:
        shape: of ints and of what `ops.shape` gives.
        mean, stddev: default 0 and 1.
        dtype: "float32" or "float64". Default `config.floatx()`.
        seed: int, SeedGenerator or None, see above.

    Raises:
        TypeError: for other dtypes.
        ValueError: for other seeds, and between the layers of a drawn model.
    """
    return _noise(ops.random_normal, shape, dtype, seed) * stddev + mean


def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    """Numbers from minval to less than maxval, all equally likely. Arguments and errors as of `normal`."""
    return _noise(ops.random_uniform, shape, dtype, seed) * (maxval - minval) + minval


def randint(shape, minval, maxval, dtype="int32", seed=None):
    """Integers from minval to less than maxval, all equally likely.

    Arguments and errors as of `normal`; dtype: of integers, default "int32".
    """
    if np.dtype(dtype).kind not in "iu":
        raise ValueError(f"randint: dtype is one of integers; it is {dtype!r}")
    return ops.cast(ops.floor(uniform(shape, minval, maxval, "float64", seed)), dtype)


def categorical(logits, num_samples: int, dtype="int32", seed=None):
    """Classes with probability softmax(logits), by the largest of logits to which Gumbel's noise is added.

    Arguments:
        logits: (rows, classes).
        num_samples: classes to draw for each row.
        dtype: of the result (rows, num_samples). Default "int32".
        seed: as of `normal`.

    Raises:
        ValueError: for other shapes, and as `normal`.
    """
    logits = value(logits)
    if len(dims(logits)) != 2:
        raise ValueError(f"categorical: logits have the shape (rows, classes); these have {logits.shape}")
    rows, classes = dims(logits)
    noise = -ops.log(-ops.log(uniform((rows, num_samples, classes), seed=seed)))
    return ops.cast(ops.argmax(ops.expand_dims(logits, 1) + noise, -1), dtype)


def dropout(inputs, rate: float, noise_shape=None, seed=None):
    """The inputs, each set to 0 with probability `rate`, else divided by 1 - rate.

    Arguments:
        inputs: array.
        rate: in [0, 1).
        noise_shape: tuple that broadcasts to the inputs' shape, None where it is as they are. Default that shape.
        seed: as of `normal`.

    Raises:
        ValueError: for another rate, and as `normal`.
    """
    inputs = value(inputs)
    shape = dims(inputs) if noise_shape is None else noise_shape
    shape = tuple(d if n is None else n for d, n in zip(dims(inputs), shape, strict=True))
    keep = _drawn(ops.random_keep, shape, seed, rate=rate)
    return ops.where(keep, inputs * (1 / (1 - rate)), 0.0)


def shuffle(x, axis: int = 0, seed=None):
    """The slices along an axis in random order. Arguments: x: array; axis: default 0; seed: as of `normal`."""
    x = value(x)
    return ops.take(x, ops.argsort(uniform((dims(x)[axis],), dtype="float64", seed=seed)), axis)


def _noise(op, shape, dtype, seed):
    return _drawn(op, shape, seed, dtype=np.dtype(dtype or config.floatx()).name)


def _drawn(op, shape, seed, **attrs):
    """What an op draws: now, or where a graph is recorded whenever that runs."""
    graph, shape, stream = RECORDING.get(), resolved(shape), 0
    if seed is None or isinstance(seed, SeedGenerator):
        moment = (seed or SeedGenerator()).moment(graph)
        stream = graph.draw() if graph else 0
    else:
        moment = _checked(seed, "gpubp.random"), 0
    if graph is not None:
        return graph.record(op, moment, {"shape": shape, "stream": stream, **attrs})
    if any(isinstance(d, Dim) for d in shape):
        raise ValueError("between the layers of a drawn model nothing can be drawn: make a layer that does it")
    return op(*moment, shape=shape, stream=stream, **attrs)


def _checked(seed, whose: str) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise ValueError(f"{whose}: seed must be an int or None; it is {seed!r}")
    return int(seed)
