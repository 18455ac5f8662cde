"""What belongs to a layer: the variables and layers in its attributes, and the names that tell them apart."""

from typing import TYPE_CHECKING
from weakref import WeakSet

from gpubp.engine.variables import Variable

if TYPE_CHECKING:
    from gpubp.layers.base import Layer


class Belongings:
    """The variables and layers that a layer has made or been given, each once, in the order of their coming.

    Arguments:
        owner: the layer.
    """

    def __init__(self, owner: "Layer"):
        self.owner = owner
        self.variables: list[Variable] = []
        self.layers: list[Layer] = []
        self.containers: dict[str, None] = {}  # attributes that are lists or dicts, which may get more at any time
        self.homes: WeakSet[Belongings] = WeakSet()  # of those that the owner belongs to

    def take(self, attribute: str, value):
        """Keeps what the value of an attribute holds."""
        if isinstance(value, list | dict):
            self.containers[attribute] = None
        self._keep_all(value)

    def look_through(self):
        """Keeps what has been put into lists and dicts."""
        for attribute in self.containers:
            self._keep_all(self.owner.__dict__.get(attribute))

    def _keep_all(self, value):
        if isinstance(value, Variable):
            if value not in self.variables:
                self.variables.append(value)
        elif isinstance(value, dict | list | tuple):
            for x in value.values() if isinstance(value, dict) else value:
                self._keep_all(x)
        elif isinstance(getattr(value, "_kept", None), Belongings):
            self.adopt(value)

    def adopt(self, layer: "Layer"):
        """Makes a layer one of the owner's. Raises ValueError if it and another have been given the same name."""
        if any(layer is known for known in self.layers):
            return
        layer._require_init()
        namesake = next((known for known in self.layers if known.name == layer.name), None)
        if namesake is not None:
            self._tell_apart(layer, namesake)
        self.layers.append(layer)
        layer._kept.homes.add(self)

    def _tell_apart(self, layer, namesake):
        """Renames one of two layers, the one that fewer know; names that were given stay."""
        unnamed = [x for x in (layer, namesake) if not x._given_name]
        if not unnamed:
            raise ValueError(f"two layers of {self.owner.name!r} have the name {layer.name!r}")
        renamed = min(unnamed, key=lambda x: len({self, *x._kept.homes}))
        around = [x.name for home in (self, *renamed._kept.homes) for x in home.layers]
        renamed.rename(free_name(renamed.name, [*around, layer.name]))

    def __getstate__(self):
        return self.__dict__ | {"homes": None}

    def __setstate__(self, state):
        self.__dict__ |= state | {"homes": WeakSet()}
        for layer in self.layers:
            layer._kept.homes.add(self)


def free_name(name: str, taken) -> str:
    """The name, with a number behind it if it is taken."""
    names = [name, *(f"{name}_{k}" for k in range(1, len(taken) + 1))]
    return next(n for n in names if n not in taken)
