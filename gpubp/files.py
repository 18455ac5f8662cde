"""Files that are never half written."""

import os
import secrets
from pathlib import Path


def replace_file(path: Path, contents: bytes):
    """Writes a file beside `path`, flushes it to the disk and renames it: `path` is the old file or the new one.

    Raises OSError if it can't be written; a file that was there before is untouched then.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(contents)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_unfinished(path: Path):
    """Removes what a process that was killed in `replace_file` has left."""
    for temporary in path.parent.glob(f".{path.name}.*.tmp"):
        temporary.unlink(missing_ok=True)
