"""Who may use a model at the same time: many that read, or one that changes it."""

import os
import threading
from contextlib import contextmanager
from weakref import WeakSet

_ALIVE: WeakSet = WeakSet()


def unlocked_in_children(model):
    """Sees to it that the model's `_unlock` is called in forked children, which have no threads that may hold it."""
    _ALIVE.add(model)


def _after_fork():
    for model in list(_ALIVE):
        model._unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Gate:
    """Readers together, a writer alone. The thread of a writer may come in again, as either."""

    def __init__(self):
        self._mutex = threading.RLock()  # a signal may interrupt its holder, and whoever answers it predict
        self._turn = threading.Condition(self._mutex)
        self._readers, self._writer, self._depth, self._waiting = 0, None, 0, 0

    @contextmanager
    def shared(self):
        """For those that change nothing."""
        with self._turn:
            mine = self._writer == threading.get_ident()
            while self._writer is not None and not mine:
                self._wait()
            self._readers += not mine
        try:
            yield
        finally:
            with self._turn:
                self._readers -= not mine
                self._turn.notify_all()

    def enter(self) -> bool:
        """Comes in as a reader if nobody writes; whether it has. `leave` must follow then."""
        with self._mutex:
            if self._writer is not None:
                return False
            self._readers += 1
            return True

    def leave(self):
        """Goes out again after `enter`."""
        with self._mutex:
            self._readers -= 1
            if self._waiting and not self._readers:
                self._turn.notify_all()

    @contextmanager
    def exclusive(self):
        """For one that changes something."""
        me = threading.get_ident()
        with self._turn:
            while self._writer not in (None, me) or (self._readers and self._writer != me):
                self._wait()
            self._writer, self._depth = me, self._depth + 1
        try:
            yield
        finally:
            with self._turn:
                self._depth -= 1
                if not self._depth:
                    self._writer = None
                self._turn.notify_all()

    def _wait(self):
        """Until somebody goes out."""
        self._waiting += 1
        try:
            self._turn.wait()
        finally:
            self._waiting -= 1
