"""What layers have in common."""

import inspect
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from typing import Any

import numpy as np

from gpubp import config, constraints, initializers, ops, regularizers
from gpubp.backend import asnumpy
from gpubp.engine import trees
from gpubp.engine.trace import Symbol
from gpubp.engine.variables import Variable
from gpubp.layers import sketch
from gpubp.layers.belongings import Belongings, free_name
from gpubp.layers.input_spec import InputSpec
from gpubp.names import snake_case
from gpubp.ops.linalg import PRECISION
from gpubp.ops.registry import RECORDING, dims, graph_of, recording, value
from gpubp.utils import next_seed

# Whether the outermost call that is under way is one of training: layers inside of layers follow it.
TRAINING: ContextVar[bool] = ContextVar("training", default=False)
AROUND: ContextVar[Any] = ContextVar("around", default=None)  # the graph in whose recording a layer is being built


def _recorded_around():
    """The graph that records, be it that ops compute at once while a layer is built; None if there is none."""
    graph = RECORDING.get()
    return AROUND.get() if graph is None else graph


class _Memory:
    """How many elements of weights may be made: as many as one likes, or, while a file is loaded, what it holds."""

    def __init__(self):
        self._left: ContextVar[int | None] = ContextVar("left", default=None)

    @contextmanager
    def limited_to(self, elements: int):
        """Weights that are made inside are zeros, and together have at most so many elements."""
        token = self._left.set(elements)
        try:
            yield
        finally:
            self._left.reset(token)

    def taken(self, shape, dtype, what: str):
        """Zeros where there is a limit, else None. Raises ValueError where they would be too many."""
        left = self._left.get()
        if left is None:
            return None
        wanted = int(np.prod(shape, dtype=object))
        if wanted > left:
            raise ValueError(f"{what} has shape {shape}, which is more than the file holds")
        self._left.set(left - wanted)
        return np.zeros(shape, dtype)


MEMORY = _Memory()


PLAIN = frozenset({bool, int, float, str, type(None)})  # values that hold no layers and variables


class Layer:
    """A function of arrays with variables. Subclasses define `build` (add_weight) and `call` (in `gpubp.ops`).

    Layers and variables that are set as attributes, or lie in lists and dicts that are, belong to the layer.

    Arguments:
        activity_regularizer: name or function of the outputs, whose value over the rows is added to the loss.
        trainable: whether optimizers change its weights. Default True.
        dtype: name of the dtype or policy (see `gpubp.config`). Default the policy of the process.
        name: unique in a model; by default the class's name in snake case, numbered.
        input_shape: shape of the inputs without the rows, for the first layer of a Sequential.
        input_dim: int, the same as input_shape=(input_dim,).

    Raises:
        TypeError: for other arguments.
        ValueError: for unknown names.

    Source: https://keras.io/api/layers/base_layer
    """

    _kept: Belongings
    _apart = frozenset({"_calls"})  # attributes that hold what does not belong to the layer
    takes_integers = False  # whether inputs are indices, which stay integers
    input_spec: InputSpec | None = None  # what inputs must be like; layers of one input set it when they are built

    def __init__(
        self,
        *,
        activity_regularizer=None,
        trainable: bool = True,
        dtype=None,
        name: str | None = None,
        input_shape: tuple | None = None,
        input_dim: int | None = None,
        **unknown,
    ):
        if unknown:
            raise TypeError(f"{type(self).__name__} takes no argument {', '.join(map(repr, unknown))}")
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise ValueError(f"the name of a layer is a text without '/'; it is {name!r}")
        self._given_name, self.name = name, name or snake_case(type(self).__name__)
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._policy = config.policy_of(dtype)
        self.first_shape = (
            (input_dim,) if input_dim is not None else None if input_shape is None else tuple(input_shape)
        )
        self.built, self._trainable = False, bool(trainable)
        self.stream = 0  # tells the layer's random numbers from those of others
        self.rng: np.random.Generator | None = None  # draws the initial weights
        self._calls: list[tuple] = []  # inputs and outputs of each call in a sketch

    def _require_init(self):
        """Raises TypeError if a subclass has an `__init__` that leaves that of its base out."""
        if "_policy" not in self.__dict__:
            raise TypeError(f"the __init__ of {type(self).__name__} has to call super().__init__() first")

    # What belongs to the layer

    @property
    def _own(self) -> list[Variable]:
        """The variables that it has made or been given itself."""
        return self._belongings.variables

    @property
    def _layers(self) -> list["Layer"]:
        """The layers inside of it."""
        return self._belongings.layers

    @property
    def _belongings(self) -> "Belongings":
        """What belongs to it, with what has been put into its lists and dicts since they were set as attributes."""
        if "_kept" not in self.__dict__:
            self.__dict__["_kept"] = Belongings(self)
        self._kept.look_through()
        return self._kept

    def __setattr__(self, name, value):
        if name not in self._apart and type(value) not in PLAIN:
            self._belongings.take(name, value)
        super().__setattr__(name, value)

    @property
    def variables(self) -> list[Variable]:
        """All variables, its own in the order of their making, then those of the layers inside."""
        inner = [v for layer in self._layers for v in layer.variables]
        return list(dict.fromkeys([*self._own, *inner]))

    @property
    def weights(self) -> list[Variable]:
        """The same as `variables`."""
        return self.variables

    @property
    def trainable_variables(self) -> list[Variable]:
        """Those that optimizers change."""
        return [v for v in self.variables if v.trainable]

    @property
    def non_trainable_variables(self) -> list[Variable]:
        """Those that optimizers leave alone: of frozen layers, and statistics."""
        return [v for v in self.variables if not v.trainable]

    trainable_weights, non_trainable_weights = trainable_variables, non_trainable_variables

    def named_variables(self, prefix: str = "") -> dict[str, Variable]:
        """All variables by path: the names of the layers on the way, and the variable's."""
        own = {f"{prefix}{v.name}": v for v in self._own}
        for layer in self._layers:
            own |= layer.named_variables(f"{prefix}{self.name}/")
        return own

    def flat_layers(self) -> list["Layer"]:
        """The layer itself and all inside of it, each once."""
        self._require_init()
        inner = [x for layer in self._layers for x in layer.flat_layers()]
        return list(dict.fromkeys([self, *inner]))

    @property
    def trainable(self) -> bool:
        """Whether optimizers change the layer's weights; setting it sets that of the layers inside, too."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool):
        self._trainable = bool(value)
        for v in self._own:
            v.trainable = self._trainable and not v.fixed
        for layer in self._layers:
            layer.trainable = value

    @property
    def dtype_policy(self) -> config.DTypePolicy:
        """How it computes. Setting it takes a policy or a name; what is compiled next follows it.

        Raises ValueError for unknown names, and where weights that are there would need another dtype.
        """
        return self._policy

    @dtype_policy.setter
    def dtype_policy(self, value):
        policy = config.policy_of(value)
        if self.variables and policy.variable_dtype != self.dtype:
            raise ValueError(
                f"the layer {self.name!r} has {self.dtype} weights, which the policy {policy.name!r} would keep in "
                f"{policy.variable_dtype}: choose it when the layer is made"
            )
        self._policy = policy

    @property
    def dtype(self) -> str:
        """The dtype of its weights."""
        return self.dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> str:
        """The dtype of its products, where the device has it."""
        return self.dtype_policy.compute_dtype

    def rename(self, name: str):
        """Gives the layer another name, and its variables the paths that follow from it."""
        for v in self._own:
            v.name = f"{name}/{v.name.partition('/')[2]}"
        self.name = name

    # Making weights

    def build(self, input_shape):
        """Makes the weights for inputs of a shape, whose first dimension, the rows, is None; of several, a list."""

    def build_once(self, input_shape):
        """Builds, unless that has been done."""
        if not self.built:
            around = AROUND.set(_recorded_around())
            try:
                with recording(None):  # weights begin with values, whatever is recorded around it
                    self.build(input_shape)
            finally:
                AROUND.reset(around)
            self.built = True

    def add_weight(
        self,
        shape=None,
        initializer: Any = None,
        dtype=None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer=None,
        constraint=None,
        aggregation: str = "none",
        name: str | None = None,
    ) -> Variable:
        """A new variable.

        Arguments:
            shape: tuple of ints; default (), a scalar.
            initializer: name, instance, or function of shape and rng. Default "glorot_uniform" for floats.
            dtype: default that of the layer.
            trainable: whether optimizers change it. Default True.
            autocast, aggregation: as in Keras; they change nothing here.
            regularizer: name or function of the variable, whose value is added to the loss. Default none.
            constraint: name or function of the new value after each update. Default none.
            name: unique in the layer, by which files and optimizers know it. Default "variable", numbered.

        Raises:
            ValueError: if the layer has a weight of that name already, the shape has unknown dimensions, or a model
                that is built calls the layer.
        """
        graph = _recorded_around()
        if graph is not None:
            graph.refuse_weights(self.name)
        name = name or free_name("variable", [v.name.partition("/")[2] for v in self._own])
        if any(v.name == f"{self.name}/{name}" for v in self._own):
            raise ValueError(f"the layer {self.name!r} has a weight {name!r} already; give this one another name")
        shape = tuple(() if shape is None else (shape,) if isinstance(shape, int) else shape)
        if not all(isinstance(d, int | np.integer) and d >= 0 for d in shape):
            raise ValueError(f"the weight {name!r} of the layer {self.name!r} can't have the shape {shape}")
        dtype = np.dtype(dtype or self.dtype)
        default = "glorot_uniform" if dtype.kind == "f" else "zeros"
        made = initializers.get(default if initializer is None else initializer)
        drawn = MEMORY.taken(shape, dtype, f"the weight {name!r} of the layer {self.name!r}")
        if drawn is None:
            self.rng = self.rng or np.random.default_rng(next_seed())
            drawn = np.asarray(initializers.draw(made, shape, self.rng, dtype), dtype)
        if drawn.shape != shape:
            raise ValueError(
                f"the initializer of {name!r} in the layer {self.name!r} gives shape {drawn.shape}; it is to be {shape}"
            )
        variable = Variable(
            drawn,
            name=f"{self.name}/{name}",
            trainable=trainable and self._trainable,
            regularizer=regularizers.get(regularizer),
            constraint=constraints.get(constraint),
        )
        variable.fixed = not trainable  # unlike one of a frozen layer
        self._own.append(variable)
        return variable

    # Computing

    def call(self, *args: Any, **options: Any) -> Any:
        """The output for inputs, in ops; what depends on it takes `training`."""
        raise NotImplementedError(f"the layer {self.name!r} ({type(self).__name__}) does not define call")

    def __call__(self, inputs, *args, training: bool | None = None, **options):
        """Builds the layer if needed, and computes: at once on arrays, by recording on symbols.

        Arguments:
            inputs: array or symbol, or nested lists and dicts of them.
            training: whether this is a step of training; by default what the layer around it does.
            args, options: what else `call` takes.
        """
        self._require_init()
        if sketch.is_sketched((inputs, args, options)):
            return self._sketched((inputs, *args), options | ({} if training is None else {"training": training}))
        training = TRAINING.get() if training is None else bool(training)
        inputs, *args = trees.tree_map(self._cast, [inputs, *args])
        self._check_inputs(inputs)
        self.build_once(_shapes(inputs))
        if self._takes_training:
            options["training"] = training
        graph = graph_of(*trees.flatten(inputs)) or RECORDING.get()
        with self.computing(training):
            if graph is None:
                return self.call(inputs, *args, **options)
            with graph.within(f"{graph.scope}/{self.name}" if graph.scope else self.name):
                return self._penalised(self.call(inputs, *args, **options))

    @contextmanager
    def computing(self, training: bool):
        """What ops inside compute is of this layer: in training or not, and as precise as its policy says."""
        precision = self.compute_dtype if self.compute_dtype != self.dtype else None
        tokens = TRAINING.set(training), PRECISION.set(precision)
        try:
            yield
        finally:
            TRAINING.reset(tokens[0])
            PRECISION.reset(tokens[1])

    def _sketched(self, args, options):
        """Draws the call: its outputs are symbols that remember the layer."""
        outputs = sketch.Call(self, (args, options)).draw()
        self._calls.append((args[0], outputs))
        return outputs

    @cached_property
    def _takes_training(self) -> bool:
        parameters = inspect.signature(self.call).parameters
        return "training" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())

    def _cast(self, x):
        """Floats of other dtypes in the layer's own, as Keras does; integers stay what they are."""
        x = value(x)
        return ops.cast(x, self.dtype) if x.dtype.kind == "f" and x.dtype != self.dtype else x

    def _check_inputs(self, inputs):
        """Raises ValueError if the layer can't compute with inputs of these shapes."""
        if self.input_spec is not None:
            self.input_spec.check(self, inputs)

    def _penalised(self, outputs):
        if self.activity_regularizer is not None:
            for x in trees.flatten(outputs):
                self.add_loss(self.activity_regularizer(x) / _rows(x))
        return outputs

    def add_loss(self, loss):
        """Adds a scalar to the loss of the step that is being recorded; on arrays it does nothing."""
        graph = graph_of(loss) or RECORDING.get()
        if graph is not None:
            graph.losses.append(loss)

    @property
    def losses(self) -> list:
        """The penalties of the regularized weights, as they are now."""
        return [v.regularizer(v) for v in self.variables if v.regularizer is not None]

    def compute_output_shape(self, input_shape):
        """The shape of the outputs for inputs of a shape, None for the rows."""
        outputs = sketch.recorded(self, (_sources(input_shape, config.floatx()),))
        return trees.tree_map(lambda x: x.shape, outputs)

    # The drawing

    @property
    def input(self):
        """The inputs of its one call in a drawing. Raises ValueError if it has not been called just once."""
        return self._only_call()[0]

    @property
    def output(self):
        """The outputs of its one call in a drawing. Raises ValueError if it has not been called just once."""
        return self._only_call()[1]

    def _only_call(self):
        if len(self._calls) != 1:
            raise ValueError(f"the layer {self.name!r} has been called {len(self._calls)} times in drawings, not once")
        return self._calls[0]

    # Values and configuration

    def count_params(self) -> int:
        """The number of elements of all weights."""
        return sum(v.array.size for v in self.variables)

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights, in order."""
        return [v.numpy() for v in self.variables]

    def set_weights(self, weights: list):
        """Sets all weights, in order. Raises ValueError if number or shapes differ; nothing changes then."""
        weights = list(weights)
        shapes = [np.shape(w) for w in weights]
        if shapes != [v.shape for v in self.variables]:
            raise ValueError(f"{self.name!r} has weights of shapes {[v.shape for v in self.variables]}; got {shapes}")
        arrays = [np.asarray(asnumpy(w), v.dtype) for v, w in zip(self.variables, weights, strict=True)]
        for variable, new in zip(self.variables, arrays, strict=True):
            variable.assign(new)

    def get_config(self) -> dict:
        """The arguments that make an equal layer, as JSON knows them."""
        described: dict[str, Any] = {"name": self.name, "trainable": self._trainable}
        if self.dtype_policy.name != "float32":
            described["dtype"] = self.dtype_policy.name
        if self.activity_regularizer is not None:
            described["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        return described

    @classmethod
    def from_config(cls, config: dict):
        """The layer of a configuration that `get_config` gave."""
        return cls(**config)

    def __getstate__(self):
        """Without the drawing, whose symbols have no meaning elsewhere."""
        return self.__dict__ | {"_calls": []}

    def __repr__(self):
        return f"<{type(self).__name__} {self.name}>"


def _shapes(inputs):
    """The shape of inputs as `build` gets it: None for the rows; a list or dict for several."""
    return trees.tree_map(lambda x: x.shape if isinstance(x, Symbol) else (None, *np.shape(x)[1:]), inputs)


def _sources(shape, dtype):
    """Symbols of a sketch for a shape, or for lists and dicts of shapes."""
    if isinstance(shape, dict):
        return {name: _sources(s, dtype) for name, s in shape.items()}
    if shape and isinstance(shape[0], list | tuple):
        return [_sources(s, dtype) for s in shape]
    return sketch.source(tuple(shape[1:]), dtype)


def _rows(x):
    """The number of rows, as a value to divide by."""
    n = dims(x)[0]
    return float(n) if isinstance(n, int) else ops.cast(x.graph.rows(n), x.dtype)
