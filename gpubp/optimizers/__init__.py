"""Optimizers: how variables change from their gradients."""

from collections.abc import Mapping

from gpubp.names import lookup
from gpubp.optimizers import schedules as schedules
from gpubp.optimizers.adadelta import Adadelta
from gpubp.optimizers.adagrad import Adagrad
from gpubp.optimizers.adam import Adam
from gpubp.optimizers.adamax import Adamax
from gpubp.optimizers.adamw import AdamW
from gpubp.optimizers.base import Optimizer
from gpubp.optimizers.ftrl import Ftrl
from gpubp.optimizers.lamb import Lamb
from gpubp.optimizers.lbfgs import LBFGS
from gpubp.optimizers.lion import Lion
from gpubp.optimizers.loss_scale import LossScaleOptimizer
from gpubp.optimizers.muon import Muon
from gpubp.optimizers.nadam import Nadam
from gpubp.optimizers.rmsprop import RMSprop
from gpubp.optimizers.sgd import SGD

CLASSES: dict[str, type[Optimizer]] = {
    c.__name__: c
    for c in (
        *(Adadelta, Adagrad, Adam, AdamW, Adamax, Ftrl, LBFGS, Lamb, Lion, Muon, Nadam),
        *(RMSprop, SGD),
    )
}
KINDS: dict[str, type[Optimizer]] = {**CLASSES, "LossScaleOptimizer": LossScaleOptimizer}  # that files know
ALIASES = {name.lower(): c for name, c in CLASSES.items()}


def get(identifier) -> Optimizer:
    """An optimizer from itself, its name ("adam") or what `serialize` made of it. Raises ValueError for all else."""
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        return deserialize({"class_name": identifier, "config": {}})
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    raise ValueError(f"an optimizer is a name or an instance of gpubp.optimizers.Optimizer; this is {identifier!r}")


def serialize(optimizer: Optimizer) -> dict:
    """An optimizer as JSON knows it: {"class_name": ..., "config": {...}}; without its state.

    >>> from gpubp import optimizers
    >>> optimizers.serialize(optimizers.SGD(0.1))["config"]["learning_rate"]
    0.1
    """
    return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}


def deserialize(config: Mapping, custom_objects: Mapping | None = None) -> Optimizer:
    """The optimizer of a configuration that `serialize` made.

    Arguments:
        config: {"class_name": ..., "config": {...}}.
        custom_objects: dict of names to classes of optimizers and schedules that are not gpubp's. Default none.

    Raises:
        ValueError: for unknown names and arguments, and for dicts of another form.
    """
    if {"class_name", "config"} - config.keys():
        raise ValueError(f"an optimizer's configuration has 'class_name' and 'config'; this has {sorted(config)}")
    known = ALIASES | KINDS | dict(custom_objects or {})
    return lookup("optimizer", config["class_name"], known).from_config(config["config"], custom_objects)


__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "LossScaleOptimizer",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]
