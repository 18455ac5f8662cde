"""Brings blocks of rows to a device, one after the other, while it works on those that came before."""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from gpubp.backend.threads import processors
from gpubp.training.packing import Layout, Packing

THREADS = 8  # at most, which gather rows: as fast as memory goes


class Conveyor:
    """Threads gather the rows of a block in pinned memory, and the device copies them from there.

    Three blocks are under way at a time: while one is worked on, the next is copied, and the one after that gathered.
    So two places on either side are enough. Who needs a block waits for its copy, and who would overwrite one that is
    still being copied waits as well; nothing else does.

    Arguments:
        device: an accelerator.
        packing: of the rows.
        nbytes: of a block at most.
    """

    def __init__(self, device, packing: Packing, nbytes: int):
        self.device, self.packing = device, packing
        self.here = [device.pinned(nbytes) for _ in range(2)]
        self.there = [device.alloc(nbytes) for _ in range(2)]
        self.sent: list = [None, None]  # the latest copy from and to each place
        self.parts: list[np.ndarray] = []

    def begin(self, parts: list[np.ndarray]):
        """Gets the first blocks under way.

        Arguments:
            parts: the rows of each block.
        """
        self.parts, self.number = parts, 0
        self.layouts: dict[int, Layout] = {}
        self.gathered: dict[int, list[Future]] = {}
        self.threads = ThreadPoolExecutor(min(THREADS, processors()), "gpubp-gather")
        try:
            self._gather(0)
            self._gather(1)
        except BaseException:
            self.end()  # nobody else does that for what has not begun
            raise

    def next(self) -> dict:
        """The arrays of the next block on the device, for what is queued from now on."""
        k, self.number = self.number, self.number + 1
        if k == 0:
            self._send(0)
        self._send(k + 1)
        self.device.follow(self.sent[k % 2])
        self._gather(k + 2)
        return self.layouts.pop(k).views(self.there[k % 2])

    def end(self):
        """Stops, wherever it is. Nothing is copied any more then, so that the places may be given to others."""
        self.threads.shutdown(cancel_futures=True)
        for sent in self.sent:
            self._wait(sent)

    def _gather(self, k: int):
        if k < len(self.parts):
            self.layouts[k], place = self.packing.layout(self.parts[k]), k % 2
            tasks = self.packing.tasks(self.layouts[k].views(self.here[place]), self.parts[k], THREADS)
            self.gathered[k] = [self.threads.submit(self._after, self.sent[place], task) for task in tasks]

    def _after(self, sent, task):
        self._wait(sent)
        task()

    def _wait(self, sent):
        if sent is not None:
            self.device.wait(sent)

    def _send(self, k: int):
        if k < len(self.parts):
            for future in self.gathered.pop(k):
                future.result()
            there, here = (places[k % 2][: self.layouts[k].nbytes] for places in (self.there, self.here))
            self.sent[k % 2] = self.device.send(there, here)
