"""How a runner gets at the rows of a call: all lie on the device, or come in blocks where they do not fit."""

import gc
from typing import Any, Protocol

import numpy as np

from gpubp.backend.cpu import CPUDevice
from gpubp.engine.executors.capacity import room
from gpubp.ops.shapes import at
from gpubp.training.data import Rows, is_sparse, on_device

SHARE = 0.8  # of the memory that is free, what arrays may take: validation's come later
EVERY = 1 << 62  # batches: more than there are


class Feed(Protocol):
    """Rows and outputs of a call, for a program that walks over them batch by batch."""

    def begin(self, order: np.ndarray, done: int = 0):
        """Before a walk over rows in this order, of which so many batches are done."""

    def ready(self, done: int) -> int:
        """Sees to it that the program finds the batch of this number next; how many batches it finds from there on."""

    def read(self, start: int, stop: int) -> list[np.ndarray]:
        """The outputs of rows of the walk that are done, in the host's memory.

        Within a walk `stop` never decreases: what blocks before have left on the device is gone from there.
        """

    def end(self):
        """After a walk, or where it is given up."""


def feed(runner, rows: Rows) -> Feed:
    """The rows for a runner, on the device if they fit there.

    Raises TooLargeError if not even blocks of a batch do.
    """
    if isinstance(runner.device, CPUDevice) or _bytes(runner, rows) <= SHARE * room(runner.device):
        return Resident(runner, rows)
    from gpubp.training.blocks import Streamed

    return Streamed(runner, rows)


def _bytes(runner, rows: Rows) -> int:
    """What has to be brought to the device, or is made there, for all rows at once."""
    arrays = [a for a in rows.named.values() if not on_device(a)]
    given = sum(a.data.nbytes + 4 * a.nnz + 8 * (len(rows) + 1) if is_sparse(a) else a.nbytes for a in arrays)
    return given + beside(runner, len(rows))


def beside(runner, n: int) -> int:
    """The bytes on the device of the order and the outputs of n rows."""
    return 8 * n + sum(place.bytes(n) for place in runner.outputs)


def make_room(runners: dict[Any, list]) -> bool:
    """Lets go of runners that wait for further calls; whether there were any. Their memory is free then."""
    found = any(runners.values())
    for idle in runners.values():
        idle.clear()
    if found:
        gc.collect()  # executors and their tables hold each other
    return found


def outputs_for(runner, n: int) -> list:
    """Arrays on the device for the outputs of n rows."""
    outs = []
    for place in runner.outputs:
        raw = runner.device.alloc(place.bytes(n))[: place.bytes(n)]
        outs.append(raw.view(place.dtype).reshape(at(place.shape, n)))
    return outs


def bind(runner, segments: dict, order, outs: list):
    """Tells a runner where the rows, their order and the outputs are, as far as its program asks."""
    asked = {"order": order} if "order" in runner.program.segments else {}
    runner.bind({**segments, **asked, **{p.segment: out for p, out in zip(runner.outputs, outs, strict=True)}})


class Resident:
    """Arrays that lie where the program runs, for as many walks as are wanted.

    Arguments:
        runner: of the program.
        rows: its arrays.
    """

    def __init__(self, runner, rows: Rows):
        upload = runner.device.upload
        self.runner, self.outs = runner, outputs_for(runner, len(rows))
        self.segments = {name: upload(a) for name, a in rows.segments().items()}

    def begin(self, order: np.ndarray, done: int = 0):
        bind(self.runner, self.segments, order[done * self.runner.batch_size :], self.outs)

    def ready(self, done: int) -> int:
        return EVERY

    def read(self, start: int, stop: int) -> list[np.ndarray]:
        return [self.runner.device.download(out[start:stop]) for out in self.outs]

    def end(self):
        self.runner.executor.memory.release()
