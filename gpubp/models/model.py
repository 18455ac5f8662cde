"""Models: what is drawn from inputs to outputs, or written as a class with layers."""

from typing import Any

import numpy as np

from gpubp import config
from gpubp.engine import trees
from gpubp.engine.trace import Symbol, needed
from gpubp.engine.variables import Variable
from gpubp.layers import Layer, sketch
from gpubp.layers.belongings import free_name
from gpubp.models.summary import summary
from gpubp.names import lookup
from gpubp.training import data
from gpubp.training.trainer import Trainer
from gpubp.utils import next_seed


class Model(Trainer):
    """Layers drawn from inputs to outputs; a subclass may define `call` instead. A model can be a layer of another.

    Arguments:
        inputs: symbols of `Input`: one, or a list or dict of them.
        outputs: what has been drawn from them: one symbol, or a list or dict.
        name: default "model".
        others: as of Layer.

    Raises:
        ValueError: if two layers have the same name, or outputs depend on an Input that is not among the inputs.

    Source: https://keras.io/guides/functional_api

    >>> import numpy as np
    >>> import gpubp
    >>> from gpubp import layers
    >>> x = gpubp.Input((4,))
    >>> h = layers.Dense(4, "relu")(x)
    >>> model = gpubp.Model(x, layers.Dense(1)(h + x))  # a residual connection
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(np.ones((8, 4)), np.ones(8), verbose=0)
    >>> model.predict(np.ones((2, 4))).shape
    (2, 1)
    """

    _apart = Trainer._apart | {"inputs", "outputs", "_input_structure", "_row_shapes", "_chain"}

    def __init__(self, inputs=None, outputs=None, *, name: str | None = None, **others):
        Layer.__init__(self, name=name, **others)
        self._begin()
        self.input_tree: Any = None  # symbols: one, or a list or dict of them
        self.output_tree: Any = None
        self._input_structure: Any = None  # of what `call` takes, with the numbers of the inputs
        self._row_shapes: list[tuple] = []
        if outputs is not None:
            self._draw(inputs, outputs)

    # The drawing

    def _draw(self, inputs, outputs):
        """Takes the layers on the way from inputs to outputs as its own."""
        flat = trees.flatten(inputs)
        for x in flat:
            if not (isinstance(x, Symbol) and x.graph is sketch.SKETCH and "layer" in x.attrs):
                raise ValueError(f"the inputs of a model are what Input(...) returns; this is {x!r}")
        on_the_way, known = needed(trees.flatten(outputs)), set(flat)
        strangers = [s.attrs["layer"].name for s in on_the_way if "layer" in s.attrs and s not in known]
        if strangers:
            raise ValueError(
                f"the outputs of {self.name!r} depend on the inputs {strangers}, which are not given to it"
            )
        for symbol in [*flat, *on_the_way]:
            layer = symbol.attrs.get("layer") or getattr(symbol.op, "layer", None)
            if layer is not None:
                self._belongings.adopt(layer)
        self.input_tree, self.output_tree = inputs, outputs
        self._input_structure = data.structure_of(inputs)
        self._row_shapes = [tuple(x.shape[1:]) for x in flat]
        self.seed, self.built = next_seed() or 1, True

    @property
    def layers(self) -> list[Layer]:
        """Its layers, each once, in the order of the computation."""
        return list(self._layers)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of a name or a number. Raises ValueError if there is none."""
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"{self.name!r} has {len(self.layers)} layers, but no number {index}")
            return self.layers[index]
        return lookup(f"layer of {self.name!r}", str(name), {layer.name: layer for layer in self.layers})

    @property
    def input(self):
        """The symbols of its inputs, as the model was drawn: one, or a list or dict of them."""
        return self._drawn(self.input_tree)

    @property
    def output(self):
        """The symbols of its outputs, as the model was drawn: one, or a list or dict of them."""
        return self._drawn(self.output_tree)

    @property
    def inputs(self) -> list[Symbol]:
        """The symbols of its inputs in a list."""
        return trees.flatten(self.input)

    @property
    def outputs(self) -> list[Symbol]:
        """The symbols of its outputs in a list."""
        return trees.flatten(self.output)

    def _drawn(self, tree):
        if self.input_tree is None:
            raise ValueError(f"{self.name!r} is not drawn from inputs to outputs, or not built yet")
        return tree

    def call(self, inputs):
        """The outputs, in ops: of a model that is a class, what it defines."""
        if self.input_tree is None:
            return super().call(inputs)
        values = data.leaves("inputs", inputs, self.input_names)
        return sketch.replay(self.output_tree, dict(zip(self.inputs, values, strict=True)))

    # What training asks for

    def compute(self, inputs, training: bool):
        for k, layer in enumerate(self._numbered_layers()):
            layer.stream = k
        structured = trees.like(self._input_structure, inputs)
        with self.computing(training):
            return self.call(structured, **({"training": training} if self._takes_training else {}))

    def _numbered_layers(self):
        return [layer for layer in self.flat_layers() if layer is not self]

    @property
    def input_names(self) -> list[str]:
        """The names by which a dict of inputs is taken."""
        if self.input_tree is None:
            return [f"input_{k}" for k in range(len(self._row_shapes))] or ["input"]
        if isinstance(self.input_tree, dict):
            return sorted(self.input_tree)
        return [x.attrs["layer"].name for x in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names by which dicts of targets and losses are taken: those of the layers they come out of."""
        if isinstance(self.output_tree, dict):
            return sorted(self.output_tree)
        names: list[str] = []
        for x in trees.flatten(self.output_tree):
            names.append(free_name(_name_of(x), names))
        return names

    def output_shapes(self) -> list[tuple]:
        """The shapes of the outputs, in order, with None for the rows."""
        return [x.shape for x in trees.flatten(self.output_tree)]

    def input_row_shapes(self) -> list[tuple]:
        """The shapes of the inputs without the rows."""
        return self._row_shapes

    def input_dtypes(self, sources) -> list[np.dtype]:
        """The dtypes in which inputs are computed with."""
        if self.input_tree is None:
            integers = [s.dtype.kind in "iub" for s in sources]
            return [np.dtype(np.int64 if i else config.floatx()) for i in integers]
        return [x.dtype for x in self.inputs]

    def _input_arrays(self, x) -> list:
        """The arrays of the inputs, checked; a model that is a class takes its inputs' shapes from the first ones."""
        if self._input_structure is None:
            arrays = trees.tree_map(lambda a: data.checked("x", a), x if isinstance(x, dict | tuple) else _one(x))
            self._build_from(arrays)
            return trees.flatten(arrays)
        names = self.input_names if self.input_tree is not None or len(self._row_shapes) == 1 else None
        parts = trees.flatten(x) if names is None else data.leaves("x", x, names)
        several = len(parts) > 1
        shapes = zip(self.input_names, parts, self._row_shapes, strict=True)
        return [data.checked(f"x[{name!r}]" if several else "x", a, shape) for name, a, shape in shapes]

    def _build_from(self, arrays):
        """Builds a model that is a class by recording one call."""
        self._input_structure = data.structure_of(arrays)
        flat = trees.flatten(arrays)
        sources = [sketch.source(a.shape[1:], d) for a, d in zip(flat, self.input_dtypes(flat), strict=True)]
        self._row_shapes = [tuple(a.shape[1:]) for a in flat]
        self.seed = self.seed or next_seed() or 1
        try:
            self.output_tree = sketch.recorded(lambda *xs: self.compute(list(xs), False), tuple(sources))
            sketch.check_outputs(self, self.output_tree)
        except Exception:
            self._input_structure = None
            raise
        self.built = True

    def build(self, input_shape):
        """Makes the weights for inputs of a shape, whose first dimension, the rows, is None."""
        if self._input_structure is None and type(self).call is not Model.call:
            shapes = input_shape if isinstance(input_shape, list | dict) else tuple(input_shape)
            rows = trees.tree_map(lambda d: 1 if d is None else d, shapes)
            single = isinstance(shapes, tuple)
            self._build_from(
                np.zeros(rows, config.floatx()) if single else [np.zeros(r, config.floatx()) for r in rows]
            )

    @property
    def input_shape(self):
        """The shape of the input, with None for the rows; of several a list."""
        shapes = [(None, *s) for s in self._row_shapes]
        return shapes[0] if len(shapes) == 1 else shapes or None

    @property
    def output_shape(self):
        """The shape of the output, with None for the rows; of several as they are drawn."""
        self._require_built()
        return trees.tree_map(lambda x: x.shape, self.output_tree)

    def _require_built(self):
        if not self.built:
            raise ValueError(
                f"{self.name!r} is not built: start with an Input, call build(input_shape), or fit it first"
            )

    # Values, files, people

    def paths(self) -> dict[str, Variable]:
        """All variables by path: the names of the layers on the way, without the model's own, and the variable's."""
        paths = {v: v.name for v in self._own}
        for layer in self._layers:
            for path, variable in layer.named_variables().items():
                paths.setdefault(variable, path)
        return {path: variable for variable, path in paths.items()}

    def summary(
        self,
        line_length: int | None = None,
        positions=None,
        print_fn=print,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range=None,
    ):
        """Prints the layers with the shapes of their outputs and the numbers of their weights.

        Arguments:
            line_length: characters of a line at least. Default as many as it takes.
            print_fn: function that takes the text. Default `print`.
            expand_nested: whether layers inside of layers have lines, too. Default False.
            show_trainable: whether a column tells which layers are frozen. Default False.
            positions, layer_range: taken for compatibility.

        Raises:
            ValueError: if the model is not built.
        """
        self._require_built()
        print_fn(summary(self, line_length, expand_nested, show_trainable))

    def save(self, path, overwrite: bool = True):
        """Writes configuration, weights and the optimizer's state into one safetensors file.

        The file is written beside `path` and then renamed, so that `path` is never half written.

        Arguments:
            path: where to.
            overwrite: whether a file may be there already. Default True.

        Raises:
            FileExistsError: if there is one and it may not.
        """
        from gpubp.saving import save_model

        save_model(self, path, overwrite)

    def save_weights(self, path, overwrite: bool = True):
        """Writes the weights alone, by their paths, into a safetensors file. Arguments and errors as of `save`."""
        from gpubp.saving import save_weights

        save_weights(self, path, overwrite)

    def load_weights(self, path):
        """Sets the weights from a file of `save_weights` or `save`, of a model with the same paths and shapes.

        Raises:
            ModelFileError: if it has others, or is no such file; nothing changes then.
        """
        from gpubp.saving import load_weights

        load_weights(self, path)

    def to_json(self, **options) -> str:
        """The architecture as a text, of which `models.model_from_json` makes a model with weights of its own.

        Arguments:
            options: as of `json.dumps`.

        Raises:
            ValueError: if a part of it has no configuration.
        """
        from gpubp.models.architecture import to_json

        return to_json(self, **options)

    def get_config(self) -> dict:
        """What makes an equal model: the layers' classes and configurations, and how they are connected."""
        from gpubp.models.drawing import describe

        if self.input_tree is None:
            raise ValueError(
                f"{self.name!r} is a class of one's own: define get_config, with the arguments it is made of"
            )
        return {"name": self.name, **describe(self)}

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """An equal model with weights of its own, from what `get_config` gave."""
        from gpubp.models.drawing import redraw

        return redraw(cls, config, custom_objects or {}) if "drawing" in config else cls(**config)

    def __getstate__(self):
        from gpubp.models.drawing import portable

        return Trainer.__getstate__(self) | {"_calls": []} | portable(self)

    def __setstate__(self, state):
        from gpubp.models.drawing import drawn_again

        drawing = state.pop("_drawing", None)
        slots = state.pop("_slots")
        Trainer.__setstate__(self, state | {"_slots": {}})
        if drawing is not None:
            drawn_again(self, drawing)
        self.set_optimizer_state(slots)

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"


def _name_of(output: Symbol | None) -> str:
    """The name of what an output comes out of: a layer, an op, or an Input."""
    if output is None or not (output.op or "layer" in output.attrs):
        return "output"
    return output.op.name if output.op else output.attrs["layer"].name


def _one(x):
    """A list of arrays as it is, a list of numbers as an array."""
    listed = isinstance(x, list) and x and all(hasattr(a, "shape") and np.ndim(a) > 0 for a in x)
    return x if listed else np.asarray(x) if isinstance(x, list) else x
