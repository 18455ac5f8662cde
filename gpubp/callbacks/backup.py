"""Backup files: arrays and facts of a training that can go on, with a checksum."""

import hashlib
import json
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from gpubp.files import replace_file

FORMAT = "1"


class DamagedBackup(ValueError):  # noqa: N818 - it says what a file is, and is answered by reading another one
    """A file is not a whole backup of a version that is known."""


def write(path: Path, arrays: dict[str, np.ndarray], facts: dict):
    """Writes arrays by name, and facts as JSON knows them; `path` is never half written."""
    arrays = {name: np.array(a, order="C", copy=None) for name, a in arrays.items()}
    told = json.dumps(facts, default=lambda x: x.tolist())
    header = {"gpubp_backup": FORMAT, "facts": told, "checksum": _checksum(arrays, told)}
    replace_file(path, save(arrays, header))


def read(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    """The arrays and facts of a file, compared with its checksum.

    Raises:
        FileNotFoundError: if there is none.
        DamagedBackup: if it is torn, damaged, or of another version.
    """
    path.open("rb").close()  # for an error that names the path
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
        whole = header["gpubp_backup"] == FORMAT and header["checksum"] == _checksum(arrays, header["facts"])
    except Exception as error:
        raise DamagedBackup(f"{path} is damaged: {error}") from error
    if not whole:
        raise DamagedBackup(f"{path} is damaged, or of another version: its checksum is not that of its contents")
    return arrays, json.loads(header["facts"])


def _checksum(arrays: dict[str, np.ndarray], told: str) -> str:
    found = hashlib.blake2b(told.encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.dtype} {array.shape};".encode())
        found.update(array.tobytes())
    return found.hexdigest()
