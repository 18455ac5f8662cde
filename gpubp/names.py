"""Names to classes and functions, with the nearest suggestion where a name is unknown."""

import difflib
from collections.abc import Mapping
from typing import Any


def lookup(kind: str, name: str, known: Mapping[str, Any]):
    """What a name stands for. Raises ValueError that suggests the nearest known name."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"
    raise ValueError(f"unknown {kind} {name!r}{hint}")
