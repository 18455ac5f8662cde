"""A lock between threads and processes, which the system releases when its holder dies."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    def _acquire(file: BinaryIO) -> None:
        while True:
            file.seek(0)
            with contextlib.suppress(OSError):  # It gives up after ten seconds.
                return msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)

    def _release(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _acquire(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)

    def _release(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)  # Closing would not do: a forked child may hold the file open as well.


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until nobody else is in a `with locked(path)`.

    Arguments:
        path: a file that is made if it is missing and stays, empty: if it were removed, two could hold two locks.

    Raises:
        OSError: the file can't be made, or the file system has no locks.
    """
    with path.open("ab") as file:
        _acquire(file)
        try:
            yield
        finally:
            _release(file)
