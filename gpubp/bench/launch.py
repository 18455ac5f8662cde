"""Starts a contender's process: `python -P launch.py`, the rest comes on standard input.

This package goes by the name `bench` there: as `gpubp.bench` it would first have gpubp imported, for every contender.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path


def load():
    """Makes the package that this file lies in known as `bench`."""
    folder = Path(__file__).parent
    spec = spec_from_file_location("bench", folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec
    assert spec.loader
    sys.modules["bench"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["bench"])


if __name__ == "__main__":
    load()
    from bench.worker import serve  # type: ignore[import-not-found]

    serve()
