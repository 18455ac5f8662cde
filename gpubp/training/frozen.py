"""Models that training would leave as they are."""

import warnings


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
