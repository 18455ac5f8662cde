"""Files that are never half written."""

import os
import secrets
from pathlib import Path


def replace_file(path: Path, contents: bytes):
    """Writes a file beside `path`, flushes it to the disk and renames it: `path` is the old file or the new one.

    A link stays one: the file that it leads to is replaced. A device or a pipe is written to.

    Raises OSError if it can't be written; a file that was there before is untouched then.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(contents)  # a folder refuses
        return
    given, path = path, path.resolve()
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        error.filename, error.filename2 = str(given), None  # the name beside it tells nobody anything
        raise
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(path: Path):
    """Removes what a process that was killed in `replace_file` has left."""
    for temporary in path.parent.glob(f".{path.name}.*.tmp"):
        temporary.unlink(missing_ok=True)
