"""Models whose layers stand in a row."""

from typing import Any

import numpy as np

from gpubp.engine.trace import Symbol
from gpubp.layers import InputLayer, Layer
from gpubp.models.model import Model
from gpubp.training import data
from gpubp.utils import next_seed


class Sequential(Model):
    """Layers, each of which takes the output of the one before.

    Arguments:
        layers: list of layers; the first may be an `Input`, or have an input_shape. Without one the model is built by
            the first data it sees.
        name: default "sequential".
        others: as of Layer.

    Raises:
        ValueError: if two layers have the same name.

    >>> import numpy as np
    >>> import gpubp
    >>> gpubp.set_random_seed(0)
    >>> model = gpubp.Sequential([gpubp.Input((1,)), gpubp.layers.Dense(1)])
    >>> model.compile(optimizer=gpubp.optimizers.SGD(0.1), loss="mse")
    >>> x = np.array([[1.0], [2.0], [3.0]])
    >>> history = model.fit(x, 2 * x, epochs=200, verbose=0)
    >>> round(float(model.predict(np.array([[4.0]]), verbose=0)[0, 0]), 2)
    8.0
    """

    def __init__(self, layers: list[Layer] | None = None, name: str | None = None, **others):
        super().__init__(name=name, **others)
        self._chain: list[Symbol] = []  # what comes out of each layer, the input first
        for layer in layers or []:
            self.add(layer)

    @property
    def layers(self) -> list[Layer]:
        """The layers in their order, without the Input."""
        return [layer for layer in self._layers if not isinstance(layer, InputLayer)]

    def add(self, layer):
        """Appends a layer. Raises TypeError for anything else, ValueError if its name is taken."""
        if isinstance(layer, Symbol) and "layer" in layer.attrs:
            layer = layer.attrs["layer"]
        if not isinstance(layer, Layer):
            raise TypeError(f"a model consists of layers; this is {layer!r}")
        if isinstance(layer, InputLayer) and self._layers:
            raise ValueError(f"{self.name!r} has layers already: an Input comes first")
        self._belongings.adopt(layer)
        if isinstance(layer, InputLayer):
            self._start(layer.symbol)
        elif len(self._layers) == 1 and layer.first_shape is not None:
            self._start(self._source(layer.first_shape))
        if self._chain:
            self._extend()

    def pop(self) -> Layer:
        """Takes the last layer away. Raises ValueError if there is none."""
        if not self.layers:
            raise ValueError(f"{self.name!r} has no layers")
        layer = self._layers.pop()
        if self._chain:
            del self._chain[len(self.layers) + 1 :]
            self._connect()
        return layer

    def build(self, input_shape=None):
        """Makes the weights for inputs of a shape, whose first dimension, the rows, is None."""
        if not self._chain and input_shape is not None:
            self._start(self._source(tuple(input_shape[1:])))
            self._extend()

    def _source(self, shape) -> Symbol:
        """An input of the dtype that the first layer computes with."""
        first: Any = self.layers[0] if self.layers else self
        made = InputLayer(shape, dtype=np.int64 if first.takes_integers else first.dtype, name=f"{self.name}_input")
        return made.symbol

    def _start(self, source: Symbol):
        self._chain = [source]
        self._row_shapes, self._input_structure = [tuple(source.shape[1:])], 0

    def _extend(self):
        """Passes symbols on through the layers that have not been reached; they are built by it."""
        self.seed = self.seed or next_seed() or 1
        for k, layer in enumerate(self._layers):
            if not layer.built:
                layer.rng = np.random.default_rng((self.seed, k))
        for layer in self.layers[len(self._chain) - 1 :]:
            self._chain.append(layer(self._chain[-1]))
        self._connect()

    def _connect(self):
        self.input_tree, self.output_tree = self._chain[0], self._chain[-1]
        self.built = bool(self.layers)
        if self._runners:
            self._runners, self._quick = {}, {}

    def call(self, inputs):
        """The output of the last layer, in ops."""
        (x,) = data.leaves("inputs", inputs, self.input_names)
        for layer in self.layers:
            x = layer(x)
        return x

    def _input_arrays(self, x) -> list:
        if not self._chain:
            (array,) = (data.checked("x", a) for a in data.leaves("x", x, ["x"]))
            self.build((None, *array.shape[1:]))
            return [array]
        return super()._input_arrays(x)

    def get_config(self) -> dict:
        """What makes an equal model: the layers' classes and configurations."""
        from gpubp.models.drawing import described

        return {"name": self.name, "layers": [described(layer) for layer in self._layers]}

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """An equal model with weights of its own, from what `get_config` gave."""
        from gpubp.models.drawing import made

        return cls([made(entry, custom_objects or {}) for entry in config["layers"]], config.get("name"))
