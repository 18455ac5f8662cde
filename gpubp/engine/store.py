"""The store: the memory of a model's variables and of the optimizer's slots, which all of its programs share."""

import numpy as np

from gpubp.engine.plan import PARAMS, STATE, Layout, Operand
from gpubp.engine.variables import Variable


class Store:
    """Lays variables out in two flat segments: `params`, which optimizers change, and `state`, all others.

    Variables move in with their values and belong to this store from then on.

    Arguments:
        variables: of the model.
        device: where the memory is.
        slots: names of the optimizer's arrays, each as long as `params`.
        initial: what a slot of a variable begins from, of its name and the variable's value. Default 0.
        numbers: names of what the optimizer keeps once, as float32, and what it begins from. Default none.
    """

    def __init__(
        self,
        variables: list[Variable],
        device,
        slots: tuple[str, ...] = (),
        initial=lambda slot, value: 0,
        numbers: dict[str, float] | None = None,
    ):
        self.variables, self.device, self.initial, self._first = variables, device, initial, numbers or {}
        self.layout = Layout(rows=1, align=device.align)
        for segment in (PARAMS, STATE):
            self.layout.reserve(segment, 0)
        self.places = {v: self.layout.add(PARAMS if v.trainable else STATE, v.shape, v.dtype) for v in variables}
        dtypes = {v.dtype for v in variables if v.trainable} or {np.dtype(np.float32)}
        if len(dtypes) > 1:
            raise ValueError(f"trainable variables must have one dtype; these have {sorted(d.name for d in dtypes)}")
        self.dtype = dtypes.pop()
        self.flat = Operand(PARAMS, 0, self.dtype, (self.layout.sizes[PARAMS] // self.dtype.itemsize,))
        self.slots = {name: self.layout.add(STATE, self.flat.shape, self.dtype) for name in slots}
        self.numbers = {name: self.layout.add(STATE, (), np.float32) for name in self._first}
        self.buffers = {segment: device.alloc(n) for segment, n in self.layout.sizes.items()}
        for variable, place in self.places.items():
            self._move_in(variable, place)
        self.begin_slots()

    def begin_slots(self):
        """Sets the slots, and what is kept beside them, to what they begin from."""
        for name, place in self.numbers.items():
            self.device.copy(self.view(place), self._first[name])
        for slot in self.slots:
            for variable in self.trainable:
                self.device.copy(self.view(self.slot_of(slot, variable)), self.initial(slot, variable.numpy()))

    def _move_in(self, variable, place):
        array = self.view(place)
        self.device.copy(array, variable.numpy())
        variable.array, variable.place, variable.store = array, place, self

    def view(self, place: Operand) -> np.ndarray:
        """The array at a place."""
        raw = self.buffers[place.segment][place.offset : place.offset + place.bytes(1)]
        return raw.view(place.dtype).reshape(place.shape)

    def slot_of(self, slot: str, variable: Variable) -> Operand:
        """The part of a slot that belongs to a trainable variable."""
        return self.slot_at(slot, variable.place)

    def slot_at(self, slot: str, place: Operand) -> Operand:
        return Operand(STATE, self.slots[slot].offset + place.offset, place.dtype, place.shape)

    def take_slots(self, old: "Store"):
        """Copies what an earlier store kept for variables that are trainable in both, and what it kept once."""
        for name in self.numbers.keys() & old.numbers.keys():
            self.device.copy(self.view(self.numbers[name]), old.device.download(old.view(old.numbers[name])))
        for slot in self.slots.keys() & old.slots.keys():
            for variable, place in old.places.items():
                if variable in self.places and PARAMS == place.segment == variable.place.segment:
                    kept = old.device.download(old.view(old.slot_at(slot, place)))
                    self.device.copy(self.view(self.slot_of(slot, variable)), kept)

    @property
    def trainable(self) -> list[Variable]:
        return [v for v in self.variables if v.place.segment == PARAMS]

    def holds(self, variables: list[Variable], device) -> bool:
        """Whether these variables still live here, on this device, each in the segment its `trainable` asks for."""
        return self.device is device and all(
            v.store is self and (v.place.segment == PARAMS) == v.trainable for v in variables
        )
