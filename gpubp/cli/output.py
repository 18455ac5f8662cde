"""JSON for programs."""

import json
import math
from pathlib import Path
from typing import Any

import typer


def emit(document: Any):
    """Prints a document; numbers that JSON does not know, which are not finite, are null in it."""
    typer.echo(json.dumps(plain(document), indent=1, allow_nan=False))


def plain(value: Any) -> Any:
    """A value in terms of JSON.

    >>> plain({"loss": float("nan"), "path": Path("a"), "shape": (2, None)})
    {'loss': None, 'path': 'a', 'shape': [2, None]}
    """
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value
