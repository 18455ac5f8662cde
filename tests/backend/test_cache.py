"""Where the cache folder lies, and what happens when it can't be written."""

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gpubp.backend.cache import cache_folder, cache_is_temporary


@pytest.fixture
def home(tmp_path, monkeypatch):
    for name in ("GPUBP_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def unwritable(tmp_path, monkeypatch):
    """A cache that nobody, not even root, can write: it would lie inside a file."""
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path / "file"))


def test_environment_variable_comes_first(home, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path / "mine"))
    assert cache_folder("datasets", "digits") == tmp_path / "mine" / "gpubp" / "datasets" / "digits"
    assert cache_folder() == tmp_path / "mine" / "gpubp"
    assert not (tmp_path / "xdg").exists()


def test_environment_variable_may_be_relative_or_name_the_home(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GPUBP_CACHE", "here")
    assert cache_folder() == tmp_path / "here" / "gpubp"
    monkeypatch.setenv("GPUBP_CACHE", "~/there")
    assert cache_folder() == home / "there" / "gpubp"


@pytest.mark.parametrize(
    ("platform", "place"),
    [("linux", ".cache"), ("freebsd14", ".cache"), ("darwin", "Library/Caches"), ("win32", "AppData/Local")],
)
def test_folder_of_each_platform(home, monkeypatch, platform, place):
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder("kernels") == home / place / "gpubp" / "kernels"


def test_platforms_with_variables_of_their_own(home, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "gpubp"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == home / ".cache" / "gpubp"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "gpubp"


def test_folder_is_made_empty_and_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path / "a" / "b"))
    folder = cache_folder("kernels")
    assert folder.is_dir()
    assert list(folder.iterdir()) == []
    folder.rmdir()
    assert cache_folder("kernels") == folder
    assert folder.is_dir()
    assert not cache_is_temporary("kernels")


def test_content_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path))
    (cache_folder("kernels") / "a.bin").write_bytes(b"kept")
    assert (cache_folder("kernels") / "a.bin").read_bytes() == b"kept"


def test_unwritable_cache_falls_back_once_with_one_warning(unwritable, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="gpubp")
    folder = cache_folder("kernels")
    (folder / "a.bin").write_bytes(b"kept")
    assert cache_folder("kernels") == folder
    assert cache_is_temporary("kernels")
    assert tmp_path not in folder.parents
    assert cache_folder("datasets").parent == folder.parent
    first, second = caplog.records
    assert first.levelno == second.levelno == logging.WARNING
    assert str(tmp_path / "file" / "gpubp" / "kernels") in first.getMessage()
    assert str(tmp_path / "file" / "gpubp" / "datasets") in second.getMessage()


def test_fallback_is_remembered_but_only_for_the_folder_refused(unwritable, tmp_path, monkeypatch):
    temporary = cache_folder("kernels")
    (tmp_path / "file").unlink()
    assert cache_folder("kernels") == temporary
    assert cache_is_temporary("kernels")
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path / "good"))
    assert cache_folder("kernels") == tmp_path / "good" / "gpubp" / "kernels"
    assert not cache_is_temporary("kernels")


def test_one_folder_in_the_way_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path))
    (cache_folder() / "kernels").write_text("in the way")
    assert cache_is_temporary("kernels")
    assert not cache_is_temporary("datasets")


def test_folder_without_write_permission(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path))
    folder = cache_folder("kernels")
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("permission bits don't bind this user or platform")
    assert cache_is_temporary("kernels")


def test_no_home_known(home, monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder("kernels").is_dir()
    assert cache_is_temporary("kernels")


def test_threads_agree_on_the_temporary_folder(unwritable):
    gate, found = threading.Barrier(8), []

    def ask():
        gate.wait()
        found.append(cache_folder("threads"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_temporary_folder_is_private_and_goes_with_the_process(unwritable):
    code = """
import os
from gpubp.backend.cache import cache_folder
folder = cache_folder("kernels")
(folder / "a.bin").write_bytes(b"x")
print(folder)
print(oct(folder.parent.stat().st_mode & 0o777))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    folder, mode = done.stdout.split()
    assert "cannot write to" in done.stderr
    assert not Path(folder).parent.exists()
    if os.name != "nt":
        assert mode == "0o700"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_forked_child_leaves_the_temporary_folder_to_its_parent(unwritable):
    code = """
import os, sys
from gpubp.backend.cache import cache_folder
folder = cache_folder("kernels")
child = os.fork()
if child == 0:
    sys.exit()
os.waitpid(child, 0)
print(folder.is_dir())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"]
