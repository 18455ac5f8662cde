"""A model's architecture as a text: the classes of its layers, their configurations and how they are connected."""

import json
from collections.abc import Mapping
from typing import Any

from gpubp import saving
from gpubp.models.model import Model


def to_json(model: Model, **options) -> str:
    """See `Model.to_json`."""
    shapes = [list(shape) for shape in model.input_row_shapes()]
    return json.dumps({**saving.describe("layer", model), "input_shapes": shapes or None}, **options)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Model:
    """The model that a text of `Model.to_json` describes, newly initialised and not compiled.

    Arguments:
        json_string: the text.
        custom_objects: dict of names to classes of models and layers that are not gpubp's. Default none.

    Raises:
        ValueError: if it is no such text, or names classes that are not known.

    >>> from gpubp import Input, Sequential, layers, models
    >>> model = Sequential([Input((3,)), layers.Dense(2, "relu", name="last")])
    >>> again = models.model_from_json(model.to_json())
    >>> again.layers[0].name, again.output_shape
    ('last', (None, 2))
    """
    return saving.remade(json.loads(json_string), saving.known_objects(custom_objects))
