"""Small things that scripts around a model use."""

from contextlib import contextmanager

import numpy as np

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
