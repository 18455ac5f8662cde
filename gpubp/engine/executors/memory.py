"""The bytes of a program's segments, and operands as arrays."""

import numpy as np

from gpubp.backend.cpu import CPUDevice
from gpubp.engine.plan import Operand
from gpubp.engine.program import Program
from gpubp.ops.shapes import at


class Stopped(Exception):  # noqa: N818 - it is an answer, which callers turn into the error that fits
    """An instruction failed: this many steps are done, and the next one has changed no variable."""

    def __init__(self, done: int, reason: str):
        super().__init__(f"stopped after {done} steps: {reason}")
        self.done = done


class Memory:
    """Segments by name: those of the store are shared, the program's own are made here, the caller's are bound.

    Arguments:
        program: what runs.
        device: where the memory is.
        store: has the segments `params` and `state` in `buffers`; None if the program has no variables.
    """

    def __init__(self, program: Program, device, store=None):
        shared = store.buffers if store else {}
        self.program, self.device = program, device
        self.buffers = {s: shared[s] if s in shared else device.alloc(n) for s, n in program.layout.sizes.items()}
        for place, value in program.layout.constants:
            self.write(place, value)

    def on_host(self) -> "Memory":
        """This memory where the host can read and write it: itself, or a copy, which `take` brings back."""
        if isinstance(self.device, CPUDevice):
            return self
        copied = object.__new__(Memory)
        copied.program, copied.device = self.program, CPUDevice()
        copied.buffers = {s: self.device.download(buffer) for s, buffer in self.buffers.items()}
        return copied

    def take(self, copied: "Memory"):
        """Takes over what a copy holds."""
        if copied is not self:
            for segment, buffer in self.buffers.items():
                self.device.copy(buffer, copied.buffers[segment])

    def set_rows(self, rows: int):
        """Tells the program how many rows a batch has."""
        if "rows" in self.program.scalars:
            self.write(self.program.scalars["rows"], rows)

    def bind(self, **arrays: np.ndarray):
        """Sets the caller's segments; what is to be written must be C-contiguous and on the device."""
        for segment, array in arrays.items():
            self.buffers[segment] = self.device.upload(array).reshape(-1).view(np.uint8)

    def release(self):
        """Lets go of the caller's arrays."""
        self.buffers = {s: self.buffers[s] for s in self.program.layout.sizes}

    def advance(self, bytes_by_segment: dict[str, int]):
        """Moves the beginning of the caller's segments."""
        for segment, n in bytes_by_segment.items():
            self.buffers[segment] = self.buffers[segment][n:]

    def read(self, place: Operand) -> np.ndarray:
        """What is at a place whose shape does not depend on the rows, on the host."""
        return self.device.download(self.view(place, self.program.layout.rows))

    def write(self, place: Operand, value):
        """Puts numbers at a place whose shape does not depend on the rows."""
        self.device.copy(self.view(place, self.program.layout.rows), value)

    def view(self, place: Operand, rows: int) -> np.ndarray:
        """The array at a place, for this number of rows."""
        raw = self.buffers[place.segment][place.offset :]
        shape = at(place.shape, rows)
        if -1 not in shape:
            raw = raw[: place.bytes(rows)]
        return raw.view(place.dtype).reshape(shape)
