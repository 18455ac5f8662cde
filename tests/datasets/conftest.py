"""A cache of the test's own, and no network."""

import os
import subprocess

import pytest

from .tiny import make_wheel


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GPUBP_WHEELS", raising=False)
    return tmp_path / "cache" / "gpubp" / "datasets"


@pytest.fixture
def no_pip(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", refuse)


@pytest.fixture
def wheels(cache, no_pip, tmp_path, monkeypatch):
    """A user's folder of wheels, holding the tiny one."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder)
    monkeypatch.setenv("GPUBP_WHEELS", str(folder))
    return folder


@pytest.fixture
def no_index(cache, monkeypatch):
    """pip without any settings of the user's, and without an index."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
