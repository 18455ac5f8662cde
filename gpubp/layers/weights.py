"""What users ask of a layer's weight by arguments: an initializer, a regularizer and a constraint.

A layer keeps them as Keras names them, `kernel_initializer`, `kernel_regularizer`, `kernel_constraint`.
"""

from gpubp import constraints, initializers, regularizers
from gpubp.engine.variables import Variable


def keep_options(layer, weight: str, initializer, regularizer=None, constraint=None):
    """Keeps what is asked of a weight. Raises ValueError for unknown names."""
    setattr(layer, f"{weight}_initializer", initializers.get(initializer))
    setattr(layer, f"{weight}_regularizer", regularizers.get(regularizer))
    setattr(layer, f"{weight}_constraint", constraints.get(constraint))


def make_weight(layer, weight: str, shape: tuple, trainable: bool = True) -> Variable:
    """The weight that was asked for."""
    return layer.add_weight(
        shape,
        getattr(layer, f"{weight}_initializer"),
        trainable=trainable,
        regularizer=getattr(layer, f"{weight}_regularizer"),
        constraint=getattr(layer, f"{weight}_constraint"),
        name=weight,
    )


def options_of(layer, *weights: str) -> dict:
    """The part of the configuration that tells what is asked of weights; what is none is left out."""
    described = {}
    for weight in weights:
        for kind in (initializers, regularizers, constraints):
            name = f"{weight}_{kind.__name__.rpartition('.')[2].removesuffix('s')}"
            if getattr(layer, name) is not None:
                described[name] = kind.serialize(getattr(layer, name))
    return described
