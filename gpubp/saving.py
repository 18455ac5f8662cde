"""Model files: one safetensors file with the weights, the optimizer's arrays and, in its metadata, the configuration.

Nothing in a file is ever run or imported: classes come from closed lists and from what the caller passes.
"""

import inspect
import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from gpubp import layers, losses, optimizers
from gpubp import metrics as known_metrics
from gpubp.layers import Input, Layer
from gpubp.losses import Loss
from gpubp.models import Sequential
from gpubp.names import lookup
from gpubp.optimizers import Optimizer

FORMAT = "1"
SLOTS = "optimizer"  # the optimizer's arrays are called "optimizer/slot/variable", weights as their variables
FIELDS: dict[str, Any] = {
    "class_name": str,
    "config": dict,
    "input_shape": list,
    "seed": int,
    "iterations": int,
    "optimizer": (dict, NoneType),
    "loss": (dict, NoneType),
    "metrics": list,
}
BASES: dict[str, tuple[type, Mapping[str, type]]] = {
    "layer": (Layer, layers.CLASSES),
    "loss": (Loss, losses.CLASSES),
    "optimizer": (Optimizer, optimizers.CLASSES),
}
LONGEST_MESSAGE = 1000  # a file's words are repeated in errors, but not by the megabyte


class ModelFileError(ValueError):
    """A file is not a model file, is damaged, or needs classes that are not known."""


def save_model(model: Sequential, path):
    """Writes a model into one safetensors file: configuration, weights, the optimizer and its arrays.

    `load_model` makes an equal model of it, which trains on as this one would have. The file is written beside `path`,
    flushed to the disk and renamed, so that `path` is the old file or the new one, never half of it.

    Arguments:
        model: a built Sequential.
        path: where to; by custom its name ends in ".safetensors".

    Raises:
        TypeError: if the model is anything but a Sequential.
        ValueError: if it is not built, if two of its variables have the same name, or if a part of it is a function of
            one's own: files keep classes that have `get_config`, which `load_model` takes as `custom_objects`.
        OSError: if the file can't be written; one that was there before is untouched.

    Source: https://huggingface.co/docs/safetensors

    >>> import tempfile
    >>> from pathlib import Path
    >>> import gpubp
    >>> model = gpubp.Sequential([gpubp.Input((3,)), gpubp.layers.Dense(2, "relu")])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(Path(folder, "model.safetensors"))
    ...     again = gpubp.load_model(Path(folder, "model.safetensors"))
    >>> bool((again.get_weights()[0] == model.get_weights()[0]).all())
    True
    """
    if type(model) is not Sequential:
        raise TypeError(f"only a gpubp.Sequential can be saved; this is {model!r}")
    with model._lock:
        model._require_built()
        contents = save(_arrays(model), {"gpubp_format": FORMAT, "gpubp_model": json.dumps(_description(model))})
    _replace(Path(path), contents)


def _arrays(model) -> dict[str, np.ndarray]:
    """Weights and the optimizer's arrays by name, C-contiguous: safetensors writes the bytes of others as they lie."""
    counts = Counter([*(v.name for v in model.variables), *_slots(model)])
    shared = sorted(name for name, n in counts.items() if n > 1)
    if shared:
        raise ValueError(f"arrays of {model.name!r} share the names {shared}; in a file each needs its own")
    arrays = {v.name: np.asarray(v.array, order="C") for v in model.variables}
    state = model.optimizer_state()
    if not state and not model.iterations:
        return arrays
    for name, (slot, variable) in _slots(model).items():
        # A variable that has become trainable since the last step begins as it would in the next one.
        first = np.full_like(variable.array, model.optimizer.initial(slot, variable.array), order="C")
        arrays[name] = state.get(f"{slot}/{variable.name}", first)
    return arrays


def _slots(model) -> dict[str, tuple[str, Any]]:
    """Slot and variable of each of the optimizer's arrays, by its name in the file."""
    if model.optimizer is None:
        return {}
    pairs = ((slot, v) for slot in model.optimizer.all_slots for v in model.variables if v.trainable)
    return {f"{SLOTS}/{slot}/{v.name}": (slot, v) for slot, v in pairs}


def _description(model) -> dict:
    """All but the arrays, as JSON knows it."""
    for name, metric in model.metrics:
        known = (known_metrics.ALIASES | known_metrics.CLASSES).get(name)
        if known and getattr(known, "of", None) is not metric:
            raise ValueError(f"the metric {name!r} is a function of one's own with the name of one of gpubp: rename it")
    return {
        "class_name": "Sequential",
        "config": {"name": model.name, "layers": [_described("layer", layer) for layer in model.layers]},
        "input_shape": list(model.input_shape),
        "seed": model.seed,
        "iterations": model.iterations,
        "optimizer": model.optimizer and _described("optimizer", model.optimizer),
        "loss": model.loss and _described("loss", model.loss),
        "metrics": [name for name, _ in model.metrics],
    }


def _described(kind: str, part: Any) -> dict:
    """The class's name and the configuration, if a file can keep them."""
    name, own = type(part).__name__, type(part)
    if BASES[kind][1].get(name, own) is not own:
        raise ValueError(f"the {kind} class {name!r} of one's own has the name of one of gpubp: rename it")
    try:
        config = part.get_config()
        json.dumps(config, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{kind} {name!r} can't be saved: {error}") from error
    return {"class_name": name, "config": config}


def _replace(path: Path, contents: bytes):
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_model(path, custom_objects: Mapping[str, Any] | None = None) -> Sequential:
    """The model that a file of `save_model` holds, compiled as it was; training goes on bit for bit.

    The header is compared with the file's size before anything is read, and with what the model needs before an array
    is made. Files from anywhere can be loaded: nothing in them is run or imported.

    Arguments:
        path: of the file.
        custom_objects: dict of names to classes of layers, losses and optimizers, and to functions of metrics, that are
            not gpubp's. Default none.

    Raises:
        ModelFileError: if the file is anything but a whole model file of a version that this gpubp knows, if it names
            classes that are not known, or if its arrays are not those of its model.
        OSError: if it can't be opened.
    """
    path = Path(path)
    path.open("rb").close()  # for an error that names the path
    with _file_errors(path), safe_open(path, framework="numpy") as file:
        return _loaded(_Tensors(file), file.metadata() or {}, custom_objects or {})


@contextmanager
def _file_errors(path: Path):
    """Whatever the words of a file bring about is an error of the file."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}"[:LONGEST_MESSAGE]) from error.__cause__
    except Exception as error:
        raise ModelFileError(f"{path} is damaged or not a model file: {error}"[:LONGEST_MESSAGE]) from error


class _Tensors:
    """The tensors of an open file, by name, compared with what a model needs before they are read."""

    def __init__(self, file):
        self.file, self.names = file, set(file.keys())

    def check(self, name: str, shape: tuple[int, ...]):
        """Raises ModelFileError if there is no tensor of that name and shape."""
        if name not in self.names:
            raise ModelFileError(f"the tensor {name!r} is missing")
        found = tuple(self.file.get_slice(name).get_shape())
        if found != shape:
            raise ModelFileError(f"the tensor {name!r} has shape {found}; its model needs {shape}")

    def read(self, name: str, variable) -> np.ndarray:
        """A tensor, which is to have the variable's shape and dtype."""
        self.check(name, variable.shape)
        array = self.file.get_tensor(name)
        if array.dtype != variable.dtype:
            raise ModelFileError(f"the tensor {name!r} has dtype {array.dtype}; its model needs {variable.dtype}")
        return array


def _loaded(tensors: _Tensors, metadata: Mapping[str, str], custom: Mapping[str, Any]) -> Sequential:
    described = _read_description(metadata)
    parts = [_made("layer", entry, custom) for entry in _field(described["config"], "layers", list)]
    loss, optimizer = (described[kind] and _made(kind, described[kind], custom) for kind in ("loss", "optimizer"))
    model = _built(parts, described, tensors)
    if optimizer is not None:
        model.compile(optimizer, loss, [_metric(name, custom) for name in described["metrics"]])
    model.iterations = described["iterations"]
    _fill(model, tensors)
    return model


def _read_description(metadata: Mapping[str, str]) -> dict:
    version = metadata.get("gpubp_format")
    if version is None:
        raise ModelFileError("the file holds tensors, but no model of gpubp")
    if version != FORMAT:
        raise ModelFileError(
            f"its format has the version {version!r}; this gpubp reads {FORMAT!r}: try pip install --upgrade gpubp"
        )
    described = json.loads(metadata.get("gpubp_model", ""))
    for name, kinds in FIELDS.items():
        _field(described, name, kinds)
    lookup("model class", described["class_name"], {"Sequential": Sequential})
    if not 0 < described["seed"] < 1 << 63 or not 0 <= described["iterations"] < 1 << 63:
        raise ModelFileError("its 'seed' or 'iterations' is out of range")
    return described


def _field(described, name: str, kinds) -> Any:
    """A value of the description. Raises ModelFileError if it is missing or of another type."""
    value = described.get(name, ...) if isinstance(described, dict) else ...
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ModelFileError(f"its description has no {name!r}, or one of the wrong type")
    return value


def _made(kind: str, entry, custom: Mapping[str, Any]):
    """A layer, loss or optimizer from its class's name and its configuration."""
    name, config = _field(entry, "class_name", str), _field(entry, "config", dict)
    base, known = BASES[kind]
    made = _meant(f"{kind} class", name, known, custom)
    if not (isinstance(made, type) and issubclass(made, base)):
        raise ModelFileError(f"the {kind} class {name!r} is {made!r}, which is not a subclass of {base.__name__}")
    try:
        return made(**config)
    except Exception as error:
        raise ModelFileError(f"{kind} {name!r} can't be made from its configuration: {error}") from error


def _metric(name: str, custom: Mapping[str, Any]):
    """A metric as `compile` takes it: by its name, which stays that of its results, or as a function."""
    found = _meant("metric", name, known_metrics.ALIASES | known_metrics.CLASSES, custom)
    return found if name in custom else name


def _meant(kind: str, name: str, known: Mapping[str, Any], custom: Mapping[str, Any]):
    """What a name in the file stands for."""
    try:
        return lookup(kind, name, {**known, **custom})
    except ValueError as error:
        raise ModelFileError(f"{error}. What is one's own is passed as custom_objects={{{name!r}: ...}}") from None


def _built(parts: list[Layer], described: dict, tensors: _Tensors) -> Sequential:
    """A model of these layers, whose weights are still to be read."""
    model = Sequential(name=_field(described["config"], "name", str))
    model.seed = described["seed"]
    shape = Input(described["input_shape"]).shape
    with _weights_of(tensors, parts):
        for layer in parts:
            model.add(layer)
        if model.input_shape is None:
            model.build((None, *shape))
    if model.input_shape != shape:
        raise ModelFileError(f"its 'input_shape' is {shape}, but its first layer takes {model.input_shape}")
    model._require_built()
    return model


@contextmanager
def _weights_of(tensors: _Tensors, parts: list[Layer]):
    """Layers that make weights only of shapes that the file holds: no configuration alone allocates memory."""
    for layer in parts:
        vars(layer)["add_weight"] = _checking(layer.add_weight, layer, tensors)
    try:
        yield
    finally:
        for layer in parts:
            del vars(layer)["add_weight"]


def _checking(add_weight: Callable, layer: Layer, tensors: _Tensors) -> Callable:
    signature = inspect.signature(add_weight)

    def checked(*arguments, **options):
        call = signature.bind(*arguments, **options)
        call.apply_defaults()
        tensors.check(f"{layer.name}/{call.arguments['name']}", tuple(call.arguments["shape"]))
        call.arguments["initializer"] = "zeros"
        return add_weight(*call.args, **call.kwargs)

    return checked


def _fill(model: Sequential, tensors: _Tensors):
    """Reads the weights and the optimizer's arrays."""
    slots = _slots(model)
    if not model.iterations and not slots.keys() & tensors.names:
        slots = {}  # saved before the first step
    variables = {v.name: v for v in model.variables} | {name: v for name, (_, v) in slots.items()}
    surplus = tensors.names - variables.keys()
    if surplus:
        raise ModelFileError(f"the tensors {sorted(surplus)} belong to nothing in its model")
    arrays = {name: tensors.read(name, variable) for name, variable in variables.items()}
    for variable in model.variables:
        variable.assign(arrays[variable.name])
    model.set_optimizer_state({f"{slot}/{v.name}": arrays[name] for name, (slot, v) in slots.items()})
