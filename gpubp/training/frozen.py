"""Weights that training would leave as they are."""

import warnings

from gpubp.engine.operators import users_line


def warn_if_frozen(model):
    """Warns, at the line that calls `fit`, if all weights of the model are frozen; Keras warns as well."""
    if model.trainable_variables:
        return
    frozen = [repr(layer.name) for layer in model.flat_layers() if not layer.trainable and layer._own]
    if frozen:
        warnings.warn(
            f"fit changes nothing: {model.name!r} has no weights to train, since {', '.join(frozen)} "
            f"{'are' if len(frozen) > 1 else 'is'} frozen; set trainable = True to train them",
            stacklevel=3,
        )


def warn_of_strangers(model, variables):
    """Warns, at the same line, if a model computes with weights that are not its own, and so are never trained."""
    names = [v.name for v in variables if v.trainable]
    if names:
        file, line = users_line().rsplit(":", 1)
        text = (
            f"training leaves {', '.join(map(repr, names))} as they are: {model.name!r} computes with them, but they "
            "belong to no layer of it. Set their layer as an attribute, in a list or in a dict, or trainable = False"
        )
        warnings.warn_explicit(text, UserWarning, file, int(line))
