"""Rows that do not fit on the device: they come in blocks, in the order in which they would be visited there."""

from bisect import bisect_right
from collections.abc import Callable

import numpy as np

from gpubp.engine.executors.capacity import TooLargeError, in_words, room, would_fit
from gpubp.training.conveyor import Conveyor
from gpubp.training.data import Rows
from gpubp.training.feeds import beside, bind, outputs_for
from gpubp.training.packing import Packing

BLOCK = 1 << 28  # bytes, whose upload takes some milliseconds: what the host does between blocks is little beside it
SHARE = 0.5  # of the memory that is free, what two blocks may take
WHOLE = 64  # batches: larger blocks hold a multiple, so that graphs of many steps come out even


class Streamed:
    """Feeds a runner with blocks of rows, each as if it were all there is.

    Arguments:
        runner: of the program.
        rows: its arrays, in the host's memory or on a disk.

    Raises:
        TooLargeError: two blocks of a batch do not fit; names a batch that would.
    """

    def __init__(self, runner, rows: Rows):
        self.runner, self.device, self.size, n = runner, runner.device, runner.batch_size, len(rows)
        packing = Packing(rows)
        self.batches = _batches_of_a_block(runner, packing, n)
        length = min(n, self.batches * self.size)
        self.conveyor = Conveyor(self.device, packing, packing.size(length))
        self.order, self.outs = self.device.upload(np.arange(length)), outputs_for(runner, length)
        self.results = [np.empty((n, *out.shape[1:]), out.dtype) for out in self.outs]

    def begin(self, order: np.ndarray, done: int = 0):
        order, step = self.device.download(order), self.batches * self.size
        self.until = done  # of the batches, those up to the end of the block
        self.first = self.kept = done * self.size  # row of the block, and the first whose outputs are not on the host
        self.conveyor.begin([order[k : k + step] for k in range(self.first, len(order), step)])

    def ready(self, done: int) -> int:
        if done == self.until:
            self._keep(done * self.size)
            part = self.conveyor.next()
            bind(self.runner, part, self.order, self.outs)
            self.first, self.until = done * self.size, done + self.batches
        return self.until - done

    def read(self, start: int, stop: int) -> list[np.ndarray]:
        self._keep(stop)
        return [result[start:stop] for result in self.results]

    def _keep(self, stop: int):
        """Brings outputs of the block to the host."""
        part = slice(self.kept - self.first, stop - self.first)
        for out, result in zip(self.outs, self.results, strict=True):
            result[self.kept : stop] = self.device.download(out[part])
        self.kept = max(self.kept, stop)

    def end(self):
        self.conveyor.end()
        self.runner.executor.memory.release()


def _batches_of_a_block(runner, packing: Packing, n: int) -> int:
    """How many batches a block of n rows at most holds. Raises TooLargeError."""
    size, free = runner.batch_size, room(runner.device)

    def needed(rows):
        return 2 * packing.size(min(rows, n)) + beside(runner, rows)

    def small(batches):
        return packing.size(min(batches * size, n)) <= BLOCK and needed(batches * size) <= SHARE * free

    batches = _most(small, -(-n // size))
    if batches:
        return batches - batches % WHOLE if batches > WHOLE else batches
    if needed(size) <= free:
        return 1
    fitting = _most(lambda rows: needed(rows) <= free, size)
    message = (
        f"the data do not fit on {runner.device.name}, and streaming them takes two batches of {size} rows at a time, "
        f"{in_words(needed(size))}, where {in_words(free)} are free beside the program; {would_fit(fitting)}"
    )
    raise TooLargeError(message, fitting)


def _most(small: Callable[[int], bool], n: int) -> int:
    """The largest number up to n that is small, as all below it are; 0 if there is none.

    >>> _most(lambda k: 8 * k <= 100, 50), _most(lambda k: 8 * k <= 100, 5), _most(lambda k: 8 * k <= 7, 5)
    (12, 5, 0)
    """
    return bisect_right(range(1, n + 1), False, key=lambda k: not small(k))
