"""Threads that compute together. They are started when they are first needed, and wait for the next time."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait


class Team:
    """The threads of this process beside those that ask for them; one asks at a time."""

    def __init__(self):
        self.forget()

    def forget(self):
        """Begins anew, as a forked child has to: it has none of its parent's threads."""
        self.lock, self.pool, self.size = threading.Lock(), None, 0

    def run(self, calls: Sequence[Callable[[], None]], cancel: Callable[[], None]):
        """Runs calls at the same time, the first one in this thread, until all are done.

        Arguments:
            calls: may wait for each other.
            cancel: called if not all could be begun: those that were must end then.
        """
        with self.lock:
            begun = []
            try:
                pool = self._pool(len(calls) - 1)
                begun += [pool.submit(call) for call in calls[1:]]
                calls[0]()
            except BaseException:  # such as that of Ctrl-C
                cancel()
                raise
            finally:
                wait(begun)
        for call in begun:
            call.result()

    def _pool(self, size: int) -> ThreadPoolExecutor:
        if self.pool is None or self.size < size:
            self.pool, self.size = ThreadPoolExecutor(size, thread_name_prefix="gpubp"), size
        return self.pool


TEAM = Team()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=TEAM.forget)
