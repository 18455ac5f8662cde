"""Model files: one safetensors file with the weights, the optimizer's arrays and, in its metadata, the configuration.

Nothing in a file is ever run or imported: classes come from closed lists and from what the caller passes.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from gpubp import losses, optimizers
from gpubp import metrics as known_metrics
from gpubp.files import replace_file
from gpubp.layers import Layer
from gpubp.layers.base import MEMORY
from gpubp.losses import Loss
from gpubp.metrics import Metric
from gpubp.models import Model
from gpubp.models.drawing import layer_classes
from gpubp.names import lookup
from gpubp.optimizers import Optimizer
from gpubp.utils import REGISTERED, untouched_seed
from gpubp.utils import custom_object_scope as custom_object_scope
from gpubp.utils import register_keras_serializable as register_keras_serializable

FORMAT = "2"
SLOTS = "optimizer"  # the optimizer's arrays are called "optimizer/slot/variable", weights as their paths
BESIDE = "beside"  # arrays of whoever writes more into a file than the model are called "beside/name"
FIELDS: dict[str, Any] = {
    "class_name": str,
    "config": dict,
    "input_shapes": (list, NoneType),
    "seed": int,
    "iterations": int,
    "updates": int,
    "optimizer": (dict, NoneType),
    "objective": (dict, NoneType),
}
KINDS: dict[str, tuple[type, Callable[[], Mapping[str, Any]]]] = {
    "layer": (Layer, layer_classes),
    "loss": (Loss, lambda: losses.CLASSES),
    "metric": (Metric, lambda: known_metrics.CLASSES),
    "optimizer": (Optimizer, lambda: optimizers.KINDS),
}
SPARE = 1 << 16  # elements of weights beyond those of the file, so that errors can say what is missing
OTHERS = {b"PK\x03\x04": "a zip archive, as .keras files are", b"\x89HDF\r\n\x1a\n": "an HDF5 file, as .h5 files are"}
LONGEST_MESSAGE = 1000  # a file's words are repeated in errors, but not by the megabyte


class ModelFileError(ValueError):
    """A file is not a model file, is damaged, or needs classes that are not known."""


def save_model(model: Model, path, overwrite: bool = True):
    """Writes a model into one safetensors file: configuration, weights, the optimizer and its arrays.

    `load_model` makes an equal model of it, which trains on as this one would have. The file is written beside `path`,
    flushed to the disk and renamed, so that `path` is the old file or the new one, never half of it.

    Arguments:
        model: a built model. One of a class of one's own needs a `get_config` with the arguments that it is made of.
        path: where to; by custom its name ends in ".safetensors".
        overwrite: whether a file may be there already. Default True.

    Raises:
        TypeError: if the model is none.
        ValueError: if it is not built, if two of its variables have the same path, or if a part of it is a function of
            one's own: files keep classes that have `get_config`, which `load_model` takes as `custom_objects`.
        FileExistsError: if there is a file that may not be overwritten.
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
    if not isinstance(model, Model):
        raise TypeError(f"only a model can be saved; this is {model!r}")
    write(model, path, overwrite)


def write(model: Model, path, overwrite: bool, beside: Mapping[str, np.ndarray] | None = None, **metadata: str):
    """Writes a file of `save_model` that may hold more: arrays named "optimizer/..." or "beside/...", and texts."""
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{path} is there already; overwrite=True replaces it")
    with model._gate.shared():
        model._require_built()
        text = json.dumps(_description(model), default=as_number)
        described = {"gpubp_format": FORMAT, "gpubp_model": text, **metadata}
        contents = save(_arrays(model) | dict(beside or {}), described)
    replace_file(Path(path), contents)


def save_weights(model: Model, path, overwrite: bool = True):
    """Writes a model's weights alone, by their paths. Arguments and errors as of `save_model`."""
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{path} is there already; overwrite=True replaces it")
    with model._gate.shared():
        model._require_built()
        contents = save({name: np.asarray(v.numpy(), order="C") for name, v in model.paths().items()})
    replace_file(Path(path), contents)


def load_weights(model: Model, path):
    """Sets a model's weights from a file of `save_weights` or `save_model`.

    Raises:
        ModelFileError: if paths, shapes or dtypes are others, or it is no such file; nothing changes then.
        OSError: if it can't be opened.
    """
    model._require_built()
    with opened(path) as (tensors, _):
        weights = model.paths()
        surplus = {name for name in tensors.names - weights.keys() if not _is_beside(name)}
        if surplus:
            raise ModelFileError(f"the tensors {sorted(surplus)} belong to nothing in {model.name!r}")
        arrays = {name: tensors.read(name, variable) for name, variable in weights.items()}
    with model._gate.exclusive():
        for name, variable in weights.items():
            variable.assign(arrays[name])


def _arrays(model) -> dict[str, np.ndarray]:
    """Weights and the optimizer's arrays by name, C-contiguous: safetensors writes the bytes of others as they lie."""
    paths = model.paths()
    counts = Counter([*paths, *_slots(model)])
    shared = sorted(name for name, n in counts.items() if n > 1)
    if shared or len(paths) != len(model.variables):
        raise ValueError(f"arrays of {model.name!r} share the names {shared or sorted(paths)}; each needs its own")
    arrays = {path: v.numpy() for path, v in paths.items()}
    state = model.optimizer_state()
    if not state and not model.iterations:
        return arrays
    for name, (slot, path, variable) in _slots(model).items():
        # A variable that has become trainable since the last step begins as it would in the next one.
        first = np.full_like(variable.numpy(), model.optimizer.initial(slot, variable.numpy()), order="C")
        arrays[name] = state.get(f"{slot}/{path}", first)
    return arrays | {f"{SLOTS}/{name}": state.get(name, first) for name, first in _numbers(model).items()}


def _numbers(model) -> dict[str, np.ndarray]:
    """What the optimizer keeps beside the arrays of variables, by name, and what it begins from."""
    first = model.optimizer.numbers if model.optimizer else {}
    return {name: np.asarray(x, np.float32) for name, x in first.items()}


def _slots(model) -> dict[str, tuple[str, str, Any]]:
    """Slot, path and variable of each of the optimizer's arrays, by its name in the file."""
    if model.optimizer is None:
        return {}
    pairs = ((slot, path, v) for slot in model.optimizer.all_slots for path, v in model.paths().items() if v.trainable)
    return {f"{SLOTS}/{slot}/{path}": (slot, path, v) for slot, path, v in pairs}


def _description(model) -> dict:
    """All but the arrays, as JSON knows it."""
    described = describe("layer", model)
    return {
        **described,
        "input_shapes": [list(shape) for shape in model.input_row_shapes()] or None,
        "seed": model.seed,
        "iterations": model.iterations,
        "updates": model.updates,
        "optimizer": model.optimizer and describe("optimizer", model.optimizer),
        "objective": model.objective and _described_objective(model.compiled_with),
    }


def _described_objective(given: dict) -> dict:
    """The losses and metrics as `compile` got them."""
    return {
        "loss": _each(lambda x: describe_measure("loss", x), given["loss"]),
        "loss_weights": _each(float, given["loss_weights"]),
        "metrics": _each(lambda x: describe_measure("metric", x), given["metrics"]),
        "weighted_metrics": _each(lambda x: describe_measure("metric", x), given["weighted_metrics"]),
    }


def _each(function, tree):
    """The structure of lists and dicts with a function applied to what they hold."""
    if isinstance(tree, dict) and not {"class_name", "function"} & tree.keys():
        return {name: _each(function, x) for name, x in tree.items()}
    if isinstance(tree, list | tuple):
        return [_each(function, x) for x in tree]
    return None if tree is None else function(tree)


def describe_measure(kind: str, given):
    """A name as it is, a class with its configuration, a function by its name."""
    if isinstance(given, str | dict):
        return given
    base, _ = KINDS[kind]
    if isinstance(given, type):
        given = given()
    if isinstance(given, base):
        return describe(kind, given)
    name = getattr(given, "__name__", "")
    module = losses if kind == "loss" else known_metrics
    if getattr(module, name, given) is not given or (name in module.ALIASES and not hasattr(module, name)):
        raise ValueError(f"the {kind} {name!r} is a function of one's own with the name of one of gpubp: rename it")
    return name if hasattr(module, name) else {"function": name}


def describe(kind: str, part: Any) -> dict:
    """The class's name and the configuration, if a file can keep them."""
    name, own = type(part).__name__, type(part)
    if KINDS[kind][1]().get(name, own) is not own:
        raise ValueError(f"the {kind} class {name!r} of one's own has the name of one of gpubp: rename it")
    for inner in part.flat_layers()[1:] if isinstance(part, Model) else ():
        describe("layer", inner)
    try:
        config = part.get_config()
        json.dumps(config, allow_nan=False, default=as_number)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{kind} {name!r} can't be saved: {error}") from error
    return {"class_name": name, "config": config}


def as_number(x) -> Any:
    """A scalar or an array of NumPy's as JSON knows it. Raises TypeError for anything else."""
    if isinstance(x, np.generic | np.ndarray):
        return x.tolist()
    raise TypeError(f"{type(x).__name__} is nothing that JSON knows")


def load_model(path, custom_objects: Mapping[str, Any] | None = None, compile: bool = True) -> Model:
    """The model that a file of `save_model` holds, compiled as it was; training goes on bit for bit.

    The header is compared with the file's size before anything is read, and weights together may take no more memory
    than the file has bytes. Files from anywhere can be loaded: nothing in them is run or imported.

    Arguments:
        path: of the file.
        custom_objects: dict of names to classes of models, layers, losses, metrics and optimizers, and to functions of
            losses and metrics, that are not gpubp's. Default none.
        compile: whether to compile it as it was. Default True.

    Raises:
        ModelFileError: if the file is anything but a whole model file of a version that this gpubp knows, if it names
            classes that are not known, or if its arrays are not those of its model.
        OSError: if it can't be opened.
    """
    with opened(path) as (tensors, metadata):
        return loaded(tensors, metadata, known_objects(custom_objects), compile)


def known_objects(custom_objects: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """What names in a file may stand for beside what is gpubp's."""
    return {**REGISTERED, **(custom_objects or {})}


@contextmanager
def opened(path):
    """The tensors and the metadata of a file. Whatever its words bring about inside is an error of the file."""
    path = Path(path)
    path.open("rb").close()  # for an error that names the path
    try:
        with safe_open(path, framework="numpy") as file:
            yield Tensors(file), file.metadata() or {}
    except ModelFileError as error:
        raise ModelFileError(f"{path}: {error}"[:LONGEST_MESSAGE]) from error.__cause__
    except Exception as error:
        what = _other_kind(path) or f"damaged or not a model file: {error}"
        raise ModelFileError(f"{path} is {what}"[:LONGEST_MESSAGE]) from error


def _other_kind(path: Path) -> str | None:
    """What a file of Keras's formats is, by its first bytes, and what to do with it; None for others."""
    with path.open("rb") as file:
        first = file.read(max(map(len, OTHERS)))
    for magic, kind in OTHERS.items():
        if first.startswith(magic):
            return (
                f"{kind}; gpubp reads its own files. To bring weights over, save them as arrays where the file was "
                "made, np.savez(path, *model.get_weights()), make the same model here and pass them to set_weights"
            )
    return None


class Tensors:
    """The tensors of an open file, by name, compared with what a model needs before they are read."""

    def __init__(self, file):
        self.file, self.names = file, set(file.keys())

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises ModelFileError if there is no tensor of that name."""
        if name not in self.names:
            raise ModelFileError(f"the tensor {name!r} is missing")
        return tuple(self.file.get_slice(name).get_shape())

    def found(self, name: str) -> np.ndarray:
        """A tensor as it is."""
        self.shape(name)
        return self.file.get_tensor(name)

    def read(self, name: str, variable) -> np.ndarray:
        """A tensor, which is to have the variable's shape and dtype."""
        if self.shape(name) != variable.shape:
            raise ModelFileError(f"the tensor {name!r} has shape {self.shape(name)}; its model needs {variable.shape}")
        array = self.file.get_tensor(name)
        if array.dtype != variable.dtype:
            raise ModelFileError(f"the tensor {name!r} has dtype {array.dtype}; its model needs {variable.dtype}")
        return array

    @property
    def elements(self) -> int:
        """Of all tensors together."""
        return sum(int(np.prod(self.shape(name), dtype=object)) for name in self.names)


def loaded(tensors: Tensors, metadata: Mapping[str, str], custom: Mapping[str, Any], compiled: bool) -> Model:
    """The model of an open file."""
    described = _read_description(metadata)
    optimizer = described["optimizer"] and make("optimizer", described["optimizer"], custom)
    model = _built(described, tensors, custom)
    if optimizer is not None and compiled:
        model.compile(optimizer, **_objective(described["objective"] or {}, custom))
        model.iterations, model.updates = described["iterations"], described["updates"]
    _fill(model, tensors, described["optimizer"])
    return model


def _read_description(metadata: Mapping[str, str]) -> dict:
    version = metadata.get("gpubp_format")
    if version is None:
        raise ModelFileError("the file holds tensors, but no model of gpubp")
    if version not in ("1", FORMAT):
        raise ModelFileError(
            f"its format has the version {version!r}; this gpubp reads up to {FORMAT!r}: "
            "try pip install --upgrade gpubp"
        )
    described = json.loads(metadata.get("gpubp_model", ""))
    if version == "1":
        described = _of_version_1(described)
    for name, kinds in FIELDS.items():
        field(described, name, kinds)
    counts = (described["iterations"], described["updates"])
    if not 0 < described["seed"] < 1 << 63 or not all(0 <= n < 1 << 63 for n in counts):
        raise ModelFileError("its 'seed', 'iterations' or 'updates' is out of range")
    return described


def _of_version_1(described) -> dict:
    """The first version knew Sequential models with one loss."""
    shape, loss = field(described, "input_shape", list), field(described, "loss", (dict, NoneType))
    objective = {"loss": loss, "metrics": field(described, "metrics", list)}
    return {**described, "input_shapes": [shape], "updates": described.get("iterations"), "objective": objective}


def field(described, name: str, kinds) -> Any:
    """A value of the description. Raises ModelFileError if it is missing or of another type."""
    value = described.get(name, ...) if isinstance(described, dict) else ...
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ModelFileError(f"its description has no {name!r}, or one of the wrong type")
    return value


def make(kind: str, entry, custom: Mapping[str, Any]):
    """A loss, metric or optimizer from its class's name and its configuration."""
    name, config = field(entry, "class_name", str), field(entry, "config", dict)
    made = _class(kind, name, custom)
    try:
        return made.from_config(config) if hasattr(made, "from_config") else made(**config)
    except Exception as error:
        raise ModelFileError(f"{kind} {name!r} can't be made from its configuration: {error}") from error


def _class(kind: str, name: str, custom: Mapping[str, Any]) -> Any:
    base, known = KINDS[kind]
    made = _meant(f"{kind} class", name, known(), custom)
    if not (isinstance(made, type) and issubclass(made, base)):
        raise ModelFileError(f"the {kind} class {name!r} is {made!r}, which is not a subclass of {base.__name__}")
    return made


def _objective(described: dict, custom: Mapping[str, Any]) -> dict:
    """The arguments of `compile` that say what is measured."""
    loss = _each(lambda x: make_measure("loss", x, losses.ALIASES, custom), described.get("loss"))
    measured = {
        name: _each(lambda x: make_measure("metric", x, known_metrics.ALIASES, custom), described.get(name))
        for name in ("metrics", "weighted_metrics")
    }
    return {"loss": loss, "loss_weights": described.get("loss_weights"), **measured}


def make_measure(kind: str, entry, known: Mapping[str, Any], custom: Mapping[str, Any]):
    """A loss or a metric as `compile` takes it."""
    if isinstance(entry, str):
        found = _meant(kind, entry, {**known, **KINDS[kind][1]()}, custom)
        return found if entry in custom else entry
    if isinstance(entry, dict) and "function" in entry:
        return _meant(kind, field(entry, "function", str), {}, custom)
    return make(kind, entry, custom)


def _meant(kind: str, name: str, known: Mapping[str, Any], custom: Mapping[str, Any]):
    """What a name in the file stands for."""
    try:
        return lookup(kind, name, {**known, **custom})
    except ValueError as error:
        raise ModelFileError(f"{error}. What is one's own is passed as custom_objects={{{name!r}: ...}}") from None


def _built(described: dict, tensors: Tensors, custom: Mapping[str, Any]) -> Model:
    """The model of a description, whose weights are still to be read."""
    with MEMORY.limited_to(2 * tensors.elements + SPARE), untouched_seed():
        model = remade(described, custom)
    model.seed, shapes = described["seed"], described["input_shapes"]
    if shapes is not None and [list(shape) for shape in model.input_row_shapes()] != shapes:
        raise ModelFileError(f"its 'input_shapes' are {shapes}, but its model takes {model.input_row_shapes()}")
    model._require_built()
    return model


def remade(described, custom: Mapping[str, Any]) -> Model:
    """The model of a description, newly initialised."""
    name, config, shapes = (field(described, name, FIELDS[name]) for name in ("class_name", "config", "input_shapes"))
    kind = _class("layer", name, custom)
    if not issubclass(kind, Model):
        raise ModelFileError(f"{name!r} is a layer, but no model")
    model = kind.from_config(config, custom_objects=dict(custom))
    if not model.built and shapes:
        model.build((None, *shapes[0]) if len(shapes) == 1 else [(None, *shape) for shape in shapes])
    return model


def _fill(model: Model, tensors: Tensors, optimizer: dict | None):
    """Reads the weights and the optimizer's arrays."""
    slots = _slots(model)
    if not model.iterations and not slots.keys() & tensors.names:
        slots = {}  # saved before the first step
    weights = model.paths()
    numbers = {f"{SLOTS}/{name}": x for name, x in _numbers(model).items()} if model.iterations else {}
    variables = weights | {name: v for name, (_, _, v) in slots.items()} | numbers
    surplus = {name for name in tensors.names - variables.keys() if not _is_beside(name, slots=not model.compiled)}
    if surplus:
        raise ModelFileError(f"the tensors {sorted(surplus)} belong to nothing in its model")
    arrays = {name: tensors.read(name, variable) for name, variable in variables.items()}
    for path, variable in weights.items():
        variable.assign(arrays[path])
    kept = {f"{slot}/{path}": arrays[name] for name, (slot, path, _) in slots.items()}
    model.set_optimizer_state(kept | {name.removeprefix(f"{SLOTS}/"): arrays[name] for name in numbers})


def _is_slot(name: str) -> bool:
    return name.startswith(f"{SLOTS}/")


def _is_beside(name: str, slots: bool = True) -> bool:
    """Whether a tensor is there for others than the model; the optimizer's arrays may count among them."""
    return name.startswith(f"{BESIDE}/") or (slots and _is_slot(name))
