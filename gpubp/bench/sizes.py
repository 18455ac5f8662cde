"""How much a library installs: the files of its distribution and of all that it requires."""

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution

LIBRARIES = ("gpubp", "scikit-learn", "torch", "jax", "onnxruntime")
NAME = re.compile(r"[A-Za-z0-9._-]+")


def size(name: str) -> dict[str, int] | None:
    """The bytes of each package of a library, itself included; None if it is not installed.

    What it requires but is not installed, since it is for other systems or Pythons, does not count, and no extra does.
    """
    found: dict[str, int] = {}
    waiting = [name]
    while waiting:
        package = waiting.pop().lower().replace("_", "-")
        if package in found:
            continue
        try:
            one = distribution(package)
        except PackageNotFoundError:
            if not found:
                return None
            continue
        found[package] = _bytes(one)
        waiting += [NAME.match(r).group() for r in one.requires or () if "extra ==" not in r]  # type: ignore[union-attr]
    return found


def _bytes(one: Distribution) -> int:
    paths = (one.locate_file(file) for file in one.files or ())
    return sum(path.stat().st_size for path in paths if path.is_file())  # type: ignore[attr-defined]
