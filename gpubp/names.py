"""Names to classes and functions, with the nearest suggestion where a name is unknown."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

LISTED = 20  # known names in an error


def lookup(kind: str, name: str, known: Mapping[str, Any]):
    """What a name stands for. Raises ValueError that suggests the nearest known name."""
    text = isinstance(name, str)  # callers pass on what users give them
    if text and name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1) if text else []
    names = sorted(known)
    listed = ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {listed}" if known else "; none is known"
    raise ValueError(f"unknown {kind} {name!r}{hint}")


def snake_case(name: str) -> str:
    """The name of a class as its instances are called: "MeanSquaredError" as "mean_squared_error", "AUC" as "auc"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[^_])(?=[A-Z][a-z])", "_", name).lower()
