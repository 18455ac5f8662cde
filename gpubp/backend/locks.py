"""A lock for what a whole process shares."""

import os
import threading


class ProcessLock:
    """A lock that its holder may enter again, as a signal's handler does, and that a forked child finds open.

    The thread that held it in the parent is not there in the child.
    """

    def __init__(self):
        self._open()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._open)

    def _open(self):
        self._lock = threading.RLock()

    def __enter__(self):
        self._lock.acquire()

    def __exit__(self, *_):
        self._lock.release()
