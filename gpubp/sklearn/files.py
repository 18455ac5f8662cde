"""Files of fitted estimators: the model file of the network, with parameters and what fitting has set beside it."""

import json
import logging
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.preprocessing import LabelBinarizer

from gpubp import activations, backend, layers, losses, saving
from gpubp.optimizers import Optimizer, schedules
from gpubp.saving import ModelFileError, Tensors, as_number, field
from gpubp.sklearn import conversion
from gpubp.sklearn.network import Stack
from gpubp.sklearn.parameters import NAMES_OF_ACTIVATIONS
from gpubp.sklearn.solvers import Progress

LOGGER = logging.getLogger("gpubp")
ENTRY = "gpubp_estimator"  # of the metadata
CLASSES, NAMES = f"{saving.BESIDE}/classes", f"{saving.BESIDE}/feature_names"
LAST_CODE_POINT = 0x10FFFF
NUMBER, NUMBER_OR_NONE = (int, float), (int, float, NoneType)
ATTRIBUTES: dict[str, Any] = {
    "out_activation_": str,
    "n_iter_": int,
    "t_": int,
    "loss_": NUMBER,
    "best_loss_": NUMBER_OR_NONE,
    "best_validation_score_": NUMBER_OR_NONE,
    "loss_curve_": list,
    "validation_loss_curve_": list,
    "validation_scores_": (list, NoneType),
    "_no_improvement_count": int,
}
KINDS_OF_TARGETS = ("binary", "multiclass", "multilabel-indicator")


def save(estimator: Any, path, overwrite: bool = True):
    """See `BaseMLP.save`."""
    arrays = {}
    described = {
        "class_name": type(estimator).__name__,
        "parameters": _parameters(estimator),
        "attributes": {name: getattr(estimator, name) for name in ATTRIBUTES if hasattr(estimator, name)},
    }
    if is_classifier(estimator):
        arrays[CLASSES], text = _as_numbers(estimator.classes_)
        labels = estimator._label_binarizer
        described["labels"] = {"text": text, "kind": labels.y_type_, "sparse": bool(labels.sparse_input_)}
    if hasattr(estimator, "feature_names_in_"):
        arrays[NAMES], _ = _as_numbers(estimator.feature_names_in_)
    progress = getattr(estimator, "_optimizer", None)
    if progress is not None:
        described["progress"] = {name: getattr(progress, name) for name in ("learning_rate", "updates", "steps")}
        arrays |= {f"{saving.SLOTS}/{name}": array for name, array in progress.slots.items()}
    text = json.dumps(described, default=as_number)
    saving.write(conversion.to_model(estimator), path, overwrite, arrays, **{ENTRY: text})


def load(path, classes: Mapping[str, type], custom_objects: Mapping[str, Any] | None = None) -> Any:
    """The estimator of a file, of one of the `classes`; see `gpubp.sklearn.load`."""
    custom = saving.known_objects(custom_objects)
    with saving.opened(path) as (tensors, metadata):
        described = json.loads(metadata.get(ENTRY, "null"))
        if described is None:
            raise ModelFileError("the file holds no estimator; gpubp.load_model reads models")
        made = _unfitted(described, classes, custom)
        _set_attributes(made, field(described, "attributes", dict))
        stack = _set_weights(made, saving.loaded(tensors, metadata, custom, compiled=False))
        _set_targets(made, described, tensors)
        _set_names(made, tensors)
        if described.get("progress") is not None:
            made._optimizer = _progress(field(described, "progress", dict), stack, tensors)
        _find_device(made)
        return made


# Parameters


def _parameters(estimator: Any) -> dict[str, Any]:
    first = type(estimator)().get_params(deep=False)
    return {name: _described(name, x, first[name]) for name, x in estimator.get_params(deep=False).items()}


def _described(name: str, value, default) -> Any:
    """A parameter as JSON knows it. Raises ValueError where that can't be."""
    if isinstance(value, Optimizer):
        return saving.describe("optimizer", value)
    if isinstance(value, schedules.LearningRateSchedule):
        return schedules.serialize(value)
    if name == "loss" and not isinstance(value, str):
        return saving.describe_measure("loss", value)
    if name == "activation":
        value = _each(lambda x: activations.name_of(x) if callable(x) else x, value)
    if name == "dtype" and value is not None and not isinstance(value, str):
        value = np.dtype(value).name
    if isinstance(value, dict):
        value = [list(pair) for pair in value.items()]
    try:
        return json.loads(json.dumps(value, default=as_number))
    except (TypeError, ValueError):
        raise ValueError(
            f"a file can't keep the parameter {name}={value!r}: set_params({name}={default!r}) before, and set it "
            "anew in what is loaded"
        ) from None


def _each(function: Callable, value) -> Any:
    """What a function makes of a parameter, or of each layer's."""
    return [function(x) for x in value] if isinstance(value, list | tuple) else function(value)


def _unfitted(described: dict, classes: Mapping[str, type], custom: Mapping[str, Any]) -> Any:
    """An estimator with its parameters, which have passed scikit-learn's checks."""
    name, entries = field(described, "class_name", str), field(described, "parameters", dict)
    if name not in classes:
        raise ModelFileError(f"there is no estimator {name!r}; there are {sorted(classes)}")
    unknown = entries.keys() - classes[name]().get_params()
    if unknown:
        raise ModelFileError(f"{name} has no parameters {sorted(unknown)}: try pip install --upgrade gpubp")
    made = classes[name](**{name: _parameter(name, entry, custom) for name, entry in entries.items()})
    made._validate_params()
    return made


def _parameter(name: str, entry, custom: Mapping[str, Any]) -> Any:
    if name == "solver" and isinstance(entry, dict):
        return saving.make("optimizer", entry, custom)
    if name == "learning_rate" and isinstance(entry, dict):
        return schedules.deserialize(entry, custom)
    if name == "loss" and isinstance(entry, dict):
        return saving.make_measure("loss", entry, losses.ALIASES, custom)
    if name == "class_weight" and isinstance(entry, list):
        return dict(entry)
    if name == "activation":  # functions that have been registered have names that are no parameters
        return _each(lambda x: x if x in NAMES_OF_ACTIVATIONS else activations.get(x), entry)
    return tuple(entry) if name == "hidden_layer_sizes" and isinstance(entry, list) else entry


# What fitting has set


def _set_attributes(made: Any, attributes: dict):
    field(attributes, "out_activation_", str)
    for name in attributes:
        if name not in ATTRIBUTES:
            raise ModelFileError(f"an estimator has no attribute {name!r}")
        value = field(attributes, name, ATTRIBUTES[name])
        if isinstance(value, list) and not all(isinstance(x, NUMBER) for x in value):
            raise ModelFileError(f"its {name!r} is no list of numbers")
        setattr(made, name, value)


def _set_weights(made: Any, model) -> Stack:
    """Takes over the weights of a model whose layers are those that the parameters describe; a network of them."""
    dense = [layer for layer in model.flat_layers() if isinstance(layer, layers.Dense)]
    if not dense:
        raise ModelFileError("its network has no weights")
    made.coefs_ = [d.kernel.numpy() for d in dense]  # whose shapes the architecture follows from
    stack = Stack(made._architecture(made.coefs_[0].dtype.name))
    if stack.model.get_config()["layers"] != model.get_config().get("layers"):
        raise ModelFileError("its network is not the one that its parameters describe")
    stack.model.set_weights(model.get_weights())
    made._take_over(stack.weights)
    made.n_layers_, made.n_features_in_ = len(dense) + 1, len(made.coefs_[0])
    made.n_outputs_ = made.coefs_[-1].shape[1]
    return stack


def _set_targets(made: Any, described: dict, tensors: Tensors):
    if not is_classifier(made):
        if made.out_activation_ not in ("identity", "exp"):
            raise ModelFileError(f"a regressor has no outputs of {made.out_activation_!r}")
        return
    labels = field(described, "labels", dict)
    made._label_binarizer = known = LabelBinarizer()
    known.y_type_, known.sparse_input_ = field(labels, "kind", str), labels.get("sparse") is True
    known.classes_ = made.classes_ = _from_numbers(tensors.found(CLASSES), field(labels, "text", (str, NoneType)))
    expected = made._outputs_for(None)
    if known.y_type_ not in KINDS_OF_TARGETS or expected != (made.n_outputs_, made.out_activation_):
        raise ModelFileError(f"its {len(made.classes_)} classes do not fit its {made.n_outputs_} outputs")


def _set_names(made: Any, tensors: Tensors):
    if NAMES in tensors.names:
        made.feature_names_in_ = _from_numbers(tensors.found(NAMES), "object")
        if len(made.feature_names_in_) != made.n_features_in_:
            raise ModelFileError(f"it names {len(made.feature_names_in_)} of {made.n_features_in_} features")


def _progress(entry: dict, stack: Stack, tensors: Tensors) -> Progress:
    """What the optimizer remembers of the variables of a network."""
    updates, steps = (field(entry, name, int) for name in ("updates", "steps"))
    if not (0 <= updates < 1 << 63 and 0 <= steps < 1 << 63):
        raise ModelFileError("its 'updates' or 'steps' are out of range")
    paths, slots = stack.model.paths(), {}
    for tensor in sorted(tensors.names):
        kind, _, name = tensor.partition("/")
        if kind == saving.SLOTS:
            _, of_variable, path = name.partition("/")
            if of_variable and path not in paths:
                raise ModelFileError(f"the tensor {tensor!r} belongs to no weights of its network")
            slots[name] = tensors.read(tensor, paths[path]) if of_variable else _lone_number(tensor, tensors)
    return Progress(field(entry, "learning_rate", NUMBER_OR_NONE), slots, updates, steps)


def _lone_number(tensor: str, tensors: Tensors) -> np.ndarray:
    """What an optimizer keeps once for all variables, such as the scale of the loss."""
    array = tensors.found(tensor)
    if array.shape or array.dtype != np.float32:
        raise ModelFileError(f"the tensor {tensor!r} is no single float32 number")
    return array


def _find_device(made: Any):
    """Has an estimator whose device this machine lacks compute on the current one, as a line in the log then says."""
    try:
        with backend.device(made.device or "cpu"):
            pass
    except (RuntimeError, ValueError) as error:
        LOGGER.warning("device=%r of what is loaded becomes None, the current device: %s", made.device, error)
        made.device = None


# Texts in arrays of numbers: their size is the file's, whatever it says


def _as_numbers(values: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Numbers as they are; texts as their code points (n, length), and "str" or "object", as which they lie."""
    if values.dtype.kind not in "UO":
        return np.ascontiguousarray(values), None
    texts = np.ascontiguousarray(values, np.str_)
    return texts.view(np.uint32).reshape(len(texts), -1), "object" if values.dtype.kind == "O" else "str"


def _from_numbers(numbers: np.ndarray, text: str | None) -> np.ndarray:
    """What `_as_numbers` was given. Raises ModelFileError for other arrays."""
    if numbers.ndim == 1 and text is None:
        return numbers
    known = text in ("str", "object") and numbers.ndim == 2 and numbers.dtype == np.uint32 and numbers.size
    if not known or numbers.max() > LAST_CODE_POINT:
        raise ModelFileError("its classes or names are no list of texts")
    texts = np.ascontiguousarray(numbers).view(f"U{numbers.shape[1]}")[:, 0]
    return texts.astype(object) if text == "object" else texts
