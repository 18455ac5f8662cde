"""The folder for what is slow to make or to fetch again: compiled kernels, data sets."""

import atexit
import functools
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

from gpubp.backend.locks import ProcessLock

logger = logging.getLogger(__name__)

_lock = ProcessLock()
_refused: set[Path] = set()


def cache_folder(*parts: str) -> Path:
    """The folder `parts` of gpubp's cache, made if it is missing.

    It lies in `gpubp/` under the folder named by the environment variable `GPUBP_CACHE`, else under the user's cache
    folder: `$XDG_CACHE_HOME` or `~/.cache` on Linux and other Unix systems, `~/Library/Caches` on macOS,
    `%LOCALAPPDATA%` on Windows. A folder that cannot be written is replaced, with a warning in the log, by one that
    lasts until the process ends; for that process the choice holds.

    Args:
        parts: names of nested folders, such as `"datasets"`; none for the root of the cache.

    Returns:
        The absolute path of a folder that exists and could be written.

    Raises:
        OSError: there is no place for temporary files either.

    Source: XDG Base Directory Specification 0.8; Apple, File System Programming Guide; Microsoft, Known Folders.

    >>> cache_folder("datasets").is_dir()
    True
    """
    wanted = _wanted(*parts)
    with _lock:
        if wanted not in _refused:
            try:
                return _made_writable(wanted)
            except OSError as error:
                _refused.add(wanted)
                logger.warning("cannot write to %s (%s): a temporary folder serves this process", wanted, error)
        return _made_writable(_temporary_root().joinpath(*parts))


def cache_is_temporary(*parts: str) -> bool:
    """Whether `cache_folder(*parts)` had to fall back to a temporary folder, lost when the process ends.

    Args:
        parts: names of nested folders, as for `cache_folder`.

    Raises:
        OSError: there is no place for temporary files either.
    """
    return cache_folder(*parts) != _wanted(*parts)


def _wanted(*parts: str) -> Path:
    chosen = os.environ.get("GPUBP_CACHE")
    root = Path(chosen).expanduser() if chosen else _platform_cache()
    return root.absolute().joinpath("gpubp", *parts)


def _platform_cache() -> Path:
    try:
        home = Path.home()
    except RuntimeError:  # No home is known. Nothing can be made under the null device, so the fallback takes over.
        home = Path(os.devnull)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if sys.platform == "darwin":
        return home / "Library" / "Caches"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return Path(xdg) if os.path.isabs(xdg) else home / ".cache"  # The specification says to ignore relative paths.


def _made_writable(folder: Path) -> Path:
    """`folder`, made if it is missing, and tried by writing: permission bits don't tell."""
    folder.mkdir(parents=True, exist_ok=True)
    trial = folder / f".writable-{os.getpid()}"
    trial.touch()
    trial.unlink(missing_ok=True)
    return folder


@functools.cache
def _temporary_root() -> Path:
    # A fresh folder that only this user can enter: at a fixed name in a shared place others could plant kernels.
    root = Path(tempfile.mkdtemp(prefix="gpubp-"))
    atexit.register(_remove, root, os.getpid())
    return root


def _remove(root: Path, owner: int) -> None:
    if os.getpid() == owner:  # A forked child leaves the folder to its parent.
        shutil.rmtree(root, ignore_errors=True)
