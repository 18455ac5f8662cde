"""Models: layers in a row, and what one does with them."""

import threading
from typing import Any

import numpy as np

from gpubp import losses, optimizers
from gpubp import metrics as known_metrics
from gpubp.backend import current_device
from gpubp.engine.executors import executor_class
from gpubp.engine.explain import explain
from gpubp.engine.store import Store
from gpubp.engine.variables import Variable
from gpubp.layers import Input, Layer
from gpubp.training import data, loop, programs
from gpubp.training.callbacks import Callback, History
from gpubp.training.progress import progress
from gpubp.utils import next_seed


class Sequential:
    """Layers, each of which takes the output of the one before.

    Arguments:
        layers: list of layers; the first may be an `Input`. Without one the model is built by the first data it sees.
        name: default "sequential".

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

    def __init__(self, layers: list[Layer] | None = None, name: str = "sequential"):
        self.name = name
        self.layers: list[Layer] = []
        self.optimizer: Any = None
        self.loss: Any = None
        self.metrics: list = []
        self.run_eagerly = False
        self.iterations = 0
        self.seed = 0
        self.input_shape: tuple | None = None
        self._store: Store | None = None
        self._runners: dict = {}
        self._lock = threading.RLock()
        for layer in layers or []:
            self.add(layer)

    def add(self, layer: Layer):
        """Appends a layer. Raises TypeError for anything else, ValueError if its name is taken."""
        if not isinstance(layer, Layer):
            raise TypeError(f"a model consists of layers; this is {layer!r}")
        if layer.name in {old.name for old in self.layers}:
            if layer._given_name:
                raise ValueError(f"two layers of {self.name!r} have the name {layer.name!r}")
            layer.name = self._free_name(layer.name)
        self.layers.append(layer)
        if isinstance(layer, Input) and len(self.layers) == 1:
            self.input_shape = layer.shape
        if self.input_shape is not None:
            self._build_layers()

    def _free_name(self, name):
        taken = {layer.name for layer in self.layers}
        return next(f"{name}_{k}" for k in range(1, len(taken) + 2) if f"{name}_{k}" not in taken)

    def build(self, input_shape: tuple):
        """Makes the weights for inputs of a shape, whose first dimension, the rows, is None."""
        self.input_shape = tuple(input_shape[1:])
        self._build_layers()

    def _build_layers(self):
        """Builds the layers that are not yet, by passing a symbol through them."""
        if all(layer.built for layer in self.layers):
            return
        if not self.seed:
            self.seed = next_seed() or 1
        for k, layer in enumerate(self.layers):
            layer.stream = k
            if not layer.built:
                layer.rng = np.random.default_rng((self.seed, k))
        self._pass_symbol()

    def _pass_symbol(self):
        """The symbol that comes out for one of the input's shape."""
        return self.call(programs.symbol_of(self.input_shape or ()), training=False)

    def call(self, inputs, training: bool = False):
        """The output, in ops."""
        for layer in self.layers:
            inputs = layer(inputs, training=training)
        return inputs

    def __call__(self, inputs, training: bool = False):
        """The output for arrays, computed at once."""
        inputs = np.asarray(inputs)
        return self.call(inputs.astype(np.float32) if inputs.dtype.kind != "f" else inputs, training=training)

    @property
    def built(self) -> bool:
        """Whether the weights have been made."""
        return bool(self.layers) and all(layer.built for layer in self.layers)

    @property
    def variables(self) -> list[Variable]:
        """The weights of all layers, in order."""
        return list(dict.fromkeys(v for layer in self.layers for v in layer.variables))

    weights = variables

    @property
    def output_shape(self) -> tuple:
        """The shape of the output, with None for the rows."""
        self._require_built()
        return self._pass_symbol().shape

    def count_params(self) -> int:
        """The number of elements of all weights."""
        return sum(v.array.size for v in self.variables)

    def get_layer(self, name: str) -> Layer:
        """The layer of a name. Raises ValueError if there is none."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise ValueError(f"{self.name!r} has no layer {name!r}; it has {[layer.name for layer in self.layers]}")

    def get_weights(self) -> list[np.ndarray]:
        """Copies of all weights, in order."""
        return [v.numpy() for v in self.variables]

    def set_weights(self, weights: list):
        """Sets all weights, in order. Raises ValueError if number or shapes differ; nothing changes then."""
        shapes = [np.shape(w) for w in weights]
        if shapes != [v.shape for v in self.variables]:
            raise ValueError(f"{self.name!r} has weights of shapes {[v.shape for v in self.variables]}; got {shapes}")
        for variable, value in zip(self.variables, weights, strict=True):
            variable.assign(value)

    def summary(self):
        """Prints the layers with the shapes of their outputs and the numbers of their weights."""
        self._require_built()
        x = programs.symbol_of(self.input_shape or ())
        print(f"{'layer':24}{'output':20}{'weights':>12}")
        for layer in self.layers:
            x = layer(x)
            count = sum(v.array.size for v in layer.variables)
            print(f"{layer.name:24}{x.shape!s:20}{count:12,}")
        print(f"{self.count_params():,} weights in all")

    def _require_built(self):
        if not self.built:
            raise ValueError(
                f"{self.name!r} is not built: start with an Input, call build(input_shape), or fit it first"
            )

    def compile(self, optimizer="adam", loss=None, metrics: list | None = None, run_eagerly: bool = False):
        """Chooses what training does.

        Arguments:
            optimizer: name or instance. Default "adam".
            loss: name, instance, or function of (y_true, y_pred) over `gpubp.ops` that gives one value for each row.
            metrics: list of names or functions like losses. Default none.
            run_eagerly: whether the reference executor runs the program: NumPy, op by op. Default False.

        Raises:
            ValueError: for unknown names.
        """
        chosen = optimizers.get(optimizer), losses.get(loss) if loss is not None else None
        measured = [(m.name, getattr(m, "fn", m)) for m in map(known_metrics.get, metrics or [])]
        with self._lock:
            (self.optimizer, self.loss), self.metrics, self.run_eagerly = chosen, measured, run_eagerly
            self._store, self._runners, self.iterations = None, {}, 0

    def fit(
        self,
        x,
        y,
        batch_size: int = 32,
        epochs: int = 1,
        verbose="auto",
        callbacks: list[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple | None = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> History:
        """Trains, and returns the history of losses and metrics.

        The loss of a batch is the mean over its own rows; means of an epoch weigh batches by their rows. Batches are a
        function of the model's seed and of the steps done before the epoch.

        Arguments:
            x, y: arrays of as many rows.
            batch_size: rows of a batch; the last one of an epoch may be shorter. Default 32.
            epochs: the number of the last epoch. Default 1.
            verbose: 0 silent, 1 a live bar, 2 a line an epoch, "auto" a bar in a terminal. Default "auto".
            callbacks: list of Callback.
            validation_split: share of the rows, from the end, to validate on. Default 0.
            validation_data: (x, y) to validate on after each epoch.
            shuffle: whether each epoch has an order of its own. Default True.
            initial_epoch: the epoch to begin with. Default 0.

        Raises:
            ValueError, TypeError: for input that does not fit; nothing has changed then.
            NonFiniteError: if the loss is not finite; names the layer, and the weights are those of before that step.
        """
        with self._lock:
            self._require_compiled("fit")
            x, y = self._checked(x, y)
            if validation_split:
                (x, y), validation_data = data.split(x, y, validation_split)
            if validation_data is not None:
                validation_data = self._checked(*validation_data)
            runner = self._runner("train", x, y, positive("batch_size", batch_size))
            history, bar = History(), progress(verbose)
            watching = [history, *(callbacks or []), *([bar] if bar else [])]
            for c in watching:
                c.set_model(self)
                c.set_params({"epochs": epochs, "steps": -(-len(x) // batch_size), "rows": len(x)})
                c.on_train_begin()

            def validate():
                if validation_data is None:
                    return {}
                logs = self._evaluate(validation_data[0], validation_data[1], batch_size)
                return {f"val_{name}": value for name, value in logs.items()}

            try:
                loop.train(runner, self, x, y, epochs, initial_epoch, shuffle, watching, validate)
            finally:
                if bar and hasattr(bar, "close"):
                    bar.close()
            for c in watching:
                c.on_train_end()
            return history

    def evaluate(self, x, y, batch_size: int = 128, verbose="auto", return_dict: bool = False):
        """The loss and the metrics over all rows: a number, a list, or a dict by name.

        Arguments and errors as of `fit`; return_dict: whether a dict is wanted. Default False.
        """
        with self._lock:
            self._require_compiled("evaluate")
            x, y = self._checked(x, y)
            logs = self._evaluate(x, y, positive("batch_size", batch_size))
        if return_dict:
            return logs
        values = list(logs.values())
        return values[0] if len(values) == 1 else values

    def _evaluate(self, x, y, batch_size: int) -> dict[str, float]:
        return loop.evaluate(self._runner("evaluate", x, y, min(batch_size, len(x))), x, y)

    def predict(self, x, batch_size: int = 128, verbose="auto") -> np.ndarray:
        """The outputs for all rows. Arguments and errors as of `fit`."""
        with self._lock:
            x = data.checked("x", x, self.input_shape)
            if not self.built:
                self.build((None, *x.shape[1:]))
            runner = self._runner("predict", x, None, min(positive("batch_size", batch_size), len(x)))
            return loop.predict(runner, x)

    def explain(self, batch_size: int = 32, mode: str = "train") -> str:
        """The program of a step as a table: parts, instructions, layers, shapes, FLOPs, bytes, places.

        Arguments:
            batch_size: rows of the batch. Default 32.
            mode: "train" (of a compiled model) or "predict". Default "train".

        Raises:
            ValueError: if the model is not built, or not compiled for training.
        """
        self._require_built()
        if mode not in ("train", "predict"):
            raise ValueError(f"mode is 'train' or 'predict'; it is {mode!r}")
        x, y = programs.Source("x", np.dtype(np.float32), self.input_shape or ()), None
        if mode == "train":
            self._require_compiled("explain")
            y = programs.target_source(self)
        made = programs.PROGRAMS[mode](self, self._ready(), x, y, positive("batch_size", batch_size))
        return explain(made.program, batch_size)

    def save(self, path):
        """Writes configuration, weights and the optimizer's state into one safetensors file.

        The file is written beside `path` and then renamed, so that `path` is never half written.
        """
        from gpubp.saving import save_model

        save_model(self, path)

    def _require_compiled(self, what):
        if self.optimizer is None or self.loss is None:
            raise ValueError(f"{what} needs compile(optimizer=..., loss=...) first")

    def _checked(self, x, y):
        x, y = data.checked("x", x, self.input_shape), data.checked("y", y)
        data.same_rows(x, y)
        if not self.built:
            self.build((None, *x.shape[1:]))
        return x, y

    def _ready(self) -> Store:
        """The store that holds this model's variables, made anew where they have moved or `trainable` has changed."""
        if self._store is None or not self._store.holds(self.variables):
            old, slots = self._store, self.optimizer.slots if self.optimizer else ()
            self._store = Store(self.variables, current_device(), slots)
            self._runners = {}
            if old:
                self._store.take_slots(old)
        return self._store

    def _runner(self, mode: str, x, y, batch_size: int) -> loop.Runner:
        """The program of a mode for arrays like these, made before or now, with its executor."""
        store = self._ready()
        x_source, y_source = data.source("x", x), None if y is None else data.source("y", y)
        key = (mode, x_source, y_source, batch_size)
        if key not in self._runners:
            made = programs.PROGRAMS[mode](self, store, x_source, y_source, batch_size)
            executor = executor_class("reference" if self.run_eagerly else "auto")(made.program, store.device, store)
            self._runners[key] = loop.Runner(made, executor, batch_size)
        return self._runners[key]

    def get_config(self) -> dict:
        """What makes an equal model: the layers' classes and configurations."""
        layers = [{"class_name": type(layer).__name__, "config": layer.get_config()} for layer in self.layers]
        return {"name": self.name, "layers": layers}

    def __getstate__(self):
        """Without what was compiled, so that models can be copied and sent to other processes."""
        state = dict(self.__dict__)
        state |= {"_runners": {}, "_lock": None, "_store": None, "_slots": self.optimizer_state()}
        return state

    def __setstate__(self, state):
        self.__dict__ |= state
        self._lock = threading.RLock()
        self.set_optimizer_state(self.__dict__.pop("_slots"))

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """Copies of the optimizer's arrays, by "slot/variable"; empty before the first step."""
        store = self._store
        if store is None:
            return {}
        pairs = ((s, v) for s in store.slots for v in store.trainable)
        return {f"{s}/{v.name}": store.device.download(store.view(store.slot_of(s, v))).copy() for s, v in pairs}

    def set_optimizer_state(self, arrays: dict[str, np.ndarray]):
        """Sets the optimizer's arrays, as `optimizer_state` gives them."""
        if not arrays:
            return
        store = self._ready()
        for slot in store.slots:
            for variable in store.trainable:
                store.device.copy(store.view(store.slot_of(slot, variable)), arrays[f"{slot}/{variable.name}"])


def positive(name: str, value) -> int:
    """An int of at least 1. Raises ValueError for anything else."""
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a positive int; it is {value!r}")
    return int(value)
