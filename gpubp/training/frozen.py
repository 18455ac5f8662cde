"""Models that training would leave as they are."""

import warnings


def warn_if_frozen(model):
    """Warns, at the line that calls `fit`, if the model has no weights to train. Keras does so, too."""
    if model.trainable_variables or not model.built:
        return
    frozen = [layer.name for layer in model.flat_layers() if not layer.trainable and layer._own]
    why = f"frozen are {', '.join(map(repr, frozen))}: set trainable = True" if frozen else "its layers have none"
    warnings.warn(f"fit changes nothing: {model.name!r} has no weights to train; {why}", stacklevel=3)
