"""Initial values of weights, drawn on the host so that they are the same on every device."""

import numpy as np

from gpubp.names import lookup


def zeros(shape, rng):
    """All 0."""
    return np.zeros(shape)


def ones(shape, rng):
    """All 1."""
    return np.ones(shape)


def _fans(shape):
    return (shape[0], shape[-1]) if len(shape) > 1 else (shape[0], shape[0])


def glorot_uniform(shape, rng):
    """Uniform in +-sqrt(6 / (fan_in + fan_out)). Source: X. Glorot, Y. Bengio, AISTATS 2010."""
    limit = (6 / sum(_fans(shape))) ** 0.5
    return rng.uniform(-limit, limit, shape)


def he_normal(shape, rng):
    """Normal of deviation sqrt(2 / fan_in), cut at two deviations. Source: K. He et al., ICCV 2015."""
    return _truncated_normal(shape, rng) * (2 / _fans(shape)[0]) ** 0.5


def random_normal(shape, rng):
    """Normal of mean 0 and deviation 0.05."""
    return rng.normal(0, 0.05, shape)


def _truncated_normal(shape, rng):
    """Cut at two deviations and scaled so that the deviation is one again."""
    values = rng.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():
        values[outside] = rng.standard_normal(int(outside.sum()))
    return values / 0.87962566103423978


NAMES = {f.__name__: f for f in (zeros, ones, glorot_uniform, he_normal, random_normal)}


def draw(initializer, shape, rng):
    """The values that an initializer gives for a shape."""
    return initializer(shape, rng)


def get(identifier):
    """A function (shape, rng) -> array from itself or its name. Raises ValueError for unknown names."""
    return identifier if callable(identifier) else lookup("initializer", identifier, NAMES)


def serialize(initializer):
    """What `get` finds an equal initializer by. Raises ValueError for functions of one's own."""
    for name, known in NAMES.items():
        if known is initializer:
            return name
    raise ValueError(f"the initializer {initializer!r} is a function of one's own, which a file can't keep")
