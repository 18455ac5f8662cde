"""Small things that scripts around a model use."""

from contextlib import contextmanager
from typing import Any

import numpy as np

from gpubp.config import clear_session as clear_session

_generator = np.random.default_rng()


def set_random_seed(seed: int):
    """Makes all that is drawn from now on, initial weights, shuffling and dropout, a function of the seed.

    Raises ValueError if the seed is not an int of at least 0.
    """
    global _generator
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"a seed is an int of at least 0; this is {seed!r}")
    _generator = np.random.default_rng(int(seed))


@contextmanager
def untouched_seed():
    """What is drawn inside changes nothing of what is drawn later."""
    global _generator
    before, _generator = _generator, np.random.default_rng(0)
    try:
        yield
    finally:
        _generator = before


REGISTERED: dict[str, Any] = {}  # classes and functions that files may name, besides those of this package


def register_keras_serializable(package: str = "Custom", name: str | None = None):
    """A decorator: `load_model` finds the class or function without `custom_objects` from then on.

    Arguments:
        package: taken for compatibility; files know what is registered by its name alone.
        name: default that of the class or function.

    >>> from gpubp import layers, utils
    >>> @utils.register_keras_serializable()
    ... class Doubled(layers.Layer):
    ...     def call(self, inputs):
    ...         return 2 * inputs
    """

    def register(found):
        REGISTERED[name or found.__name__] = found
        return found

    return register


@contextmanager
def custom_object_scope(custom_objects: dict):
    """What `load_model` finds by name inside of a `with`."""
    before = dict(REGISTERED)
    REGISTERED.update(custom_objects)
    try:
        yield
    finally:
        REGISTERED.clear()
        REGISTERED.update(before)


class PyDataset:
    """Base of data in batches that can be had in any order: subclasses define `__len__` and `__getitem__`.

    Arguments:
        workers, use_multiprocessing, max_queue_size: taken for compatibility: batches are made one after the other.

    Source: https://keras.io/api/utils/python_utils

    >>> import numpy as np
    >>> from gpubp import utils
    >>> class Squares(utils.PyDataset):
    ...     def __len__(self):
    ...         return 3
    ...     def __getitem__(self, k):
    ...         x = np.arange(4.0)[:, None] + 4 * k
    ...         return x, x**2
    >>> x, y = Squares()[2]
    >>> y.ravel().tolist()
    [64.0, 81.0, 100.0, 121.0]
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self.workers, self.use_multiprocessing, self.max_queue_size = workers, use_multiprocessing, max_queue_size

    def __len__(self) -> int:
        """The number of batches."""
        raise NotImplementedError(f"{type(self).__name__} does not define __len__")

    def __getitem__(self, index: int):
        """A batch: (x, y) or (x, y, sample_weight)."""
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    @property
    def num_batches(self) -> int:
        return len(self)

    def on_epoch_begin(self):
        """Called before each epoch of `fit`."""

    def on_epoch_end(self):
        """Called after each epoch of `fit`."""


Sequence = PyDataset


def next_seed() -> int:
    """A seed for a model, from the one that was set."""
    return int(_generator.integers(1 << 63))


def to_categorical(labels, num_classes: int | None = None) -> np.ndarray:
    """One-hot float32 rows of integer labels: (n,) or (n, 1) -> (n, num_classes), by default the largest label + 1.

    Raises ValueError if a label is not in 0..num_classes-1.

    >>> from gpubp.utils import to_categorical
    >>> to_categorical([0, 2]).tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    labels = np.asarray(labels, np.int64)
    labels = labels[..., 0] if labels.ndim > 1 and labels.shape[-1] == 1 else labels
    classes = int(labels.max()) + 1 if num_classes is None else num_classes
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels must be in 0..{classes - 1}; they reach from {labels.min()} to {labels.max()}")
    return np.eye(classes, dtype=np.float32)[labels]
