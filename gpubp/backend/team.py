"""Threads that compute together. They are started when they are first needed, and wait for the next time."""

import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from gpubp.backend.threads import places

Call = Callable[[], None]


class _Worker:
    """A thread that does what it is given, one call after the other."""

    def __init__(self):
        self.calls: SimpleQueue[Call] = SimpleQueue()
        # A daemon: a waiting thread keeps no process alive, and others can still use it when the main thread has ended.
        threading.Thread(target=self._work, name="gpubp", daemon=True).start()

    def _work(self):
        while True:
            self.calls.get()()


class Team:
    """The threads of this process beside those that ask for them."""

    def __init__(self):
        self.forget()

    def forget(self):
        """Begins anew, as a forked child has to: it has none of its parent's threads."""
        self.lock, self.workers = threading.Lock(), []

    def run(self, calls: Sequence[Call], cancel: Call) -> bool:
        """Runs calls at the same time, the first one in this thread, until all are done.

        Returns False, and none has run, where the threads are not to be had: others have them, maybe this very thread,
        which a signal has interrupted, or the system gives none.

        Arguments:
            calls: may wait for each other. They raise nothing.
            cancel: called if not all could be begun: those that were must end then.
        """
        if not self.lock.acquire(blocking=False):
            return False
        try:
            if not self._grown_to(len(calls) - 1):
                return False
            self._run(calls, cancel)
            return True
        finally:
            self.lock.release()

    def _run(self, calls: Sequence[Call], cancel: Call):
        workers = self.workers[: len(calls) - 1]
        try:
            for worker, place, call in zip(workers, places(len(workers)), calls[1:], strict=True):
                worker.calls.put(place)
                worker.calls.put(call)
            calls[0]()
        except BaseException:  # such as that of Ctrl-C
            cancel()
            raise
        finally:
            _wait_for(workers, cancel)

    def _grown_to(self, size: int) -> bool:
        while len(self.workers) < size:
            try:
                self.workers.append(_Worker())
            except RuntimeError:  # there are too many, or the interpreter is about to end
                return False
        return True


def _wait_for(workers: list[_Worker], cancel: Call):
    """Until these have done what they were given, whatever interrupts: they work on memory that others would free."""
    ends: list[threading.Event] = []
    interruption = None
    while len(ends) < len(workers) or not all(end.is_set() for end in ends):
        try:
            if interruption:
                cancel()
            for worker in workers[len(ends) :]:
                end = threading.Event()
                worker.calls.put(end.set)
                ends.append(end)
            for end in ends:
                end.wait()
        except BaseException as error:
            interruption = error
    if interruption:
        raise interruption


TEAM = Team()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TEAM.forget)
