"""Models like others, with weights of their own."""

from gpubp.models.model import Model


def clone_model(model: Model) -> Model:
    """A model with the same layers and connections, newly initialised and not compiled.

    Arguments:
        model: a Sequential, a drawn Model, or a class of one's own with `get_config`.

    Raises:
        ValueError: if a part of it has no configuration.

    >>> from gpubp import Input, Sequential, clone_model, layers
    >>> model = Sequential([Input((3,)), layers.Dense(2, name="last")])
    >>> [layer.name for layer in clone_model(model).layers]
    ['last']
    """
    own = {type(x).__name__: type(x) for x in model.flat_layers()}
    return type(model).from_config(model.get_config(), custom_objects=own)
