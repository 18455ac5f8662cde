"""A watch over tests on a GPU: one that hangs is ended, one that leaves the GPU unusable takes no others with it.

After an illegal address, say, every call of the process fails. Then the process ends: pytest-xdist begins another one
for the tests that are left. Without it, none of them is run, and why is said.
"""

import faulthandler
import os

import pytest

from gpubp.backend import choice

PATIENCE = 120  # seconds for a test
ENDED = 1  # the status of a process whose GPU is unusable
STANDARD_ERROR = pytest.StashKey[int]()


def pytest_configure(config):
    config.stash[STANDARD_ERROR] = os.dup(2)  # before it is captured


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    if not item.get_closest_marker("gpu"):
        return (yield)
    faulthandler.dump_traceback_later(PATIENCE, exit=True, file=item.config.stash[STANDARD_ERROR])
    try:
        done = yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    if error := broken():
        leave(item, f"{item.nodeid} left the GPU unusable: {error}")
    return done


def broken() -> str | None:
    """What the first GPU says if it does nothing more for this process."""
    try:
        if device := choice._known.get("cuda:0"):
            device.synchronise()
    except Exception as error:  # of CuPy or the driver
        return f"{type(error).__name__}: {error}"
    return None


def leave(item, why: str):
    """Ends this process, or where no other begins in its place, the tests."""
    if not hasattr(item.config, "workerinput"):
        item.session.shouldstop = why
        return
    os.write(item.config.stash[STANDARD_ERROR], f"\n{why}; other tests go on in another process\n".encode())
    os._exit(ENDED)
