"""What all ops have in common that compute each element on its own, with NumPy's broadcasting.

Gradients use the output where they can, so that the input need not be kept; they have the shape of the output, and
differentiation adds up what broadcasting had repeated.
"""

import numpy as np

from gpubp.ops.registry import Op, register, same_dtype
from gpubp.ops.shapes import broadcast


def pointwise(name, expression, reference, gradient, dtype=same_dtype, **rules) -> Op:
    """Registers an op of elements."""
    return register(
        name,
        shape=lambda *shapes, **attrs: broadcast(*shapes),
        reference=reference,
        gradient=gradient,
        dtype=dtype,
        expression=expression,
        **rules,
    )


def truth(*dtypes, **attrs):
    """The dtype rule of questions."""
    return np.dtype(bool)


def flat(count):
    """The gradient of what is constant wherever it is differentiable."""
    return lambda dy, y, *inputs, **attrs: (None,) * count
