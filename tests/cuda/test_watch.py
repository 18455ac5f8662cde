"""The watch over tests on a GPU, with a stand-in for one that breaks."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import time
import pytest
from gpubp.backend import choice
from tests.cuda import watch

pytestmark = pytest.mark.gpu
watch.PATIENCE = 2

class Broken:
    def synchronise(self):
        raise RuntimeError("an illegal memory access was encountered")

def test_before():
    pass

def test_breaks():
    choice._known["cuda:0"] = Broken()
    raise ArithmeticError("wrong numbers")

def test_hangs():
    time.sleep(60)

def test_after():
    assert "cuda:0" not in choice._known
"""


def told(folder, *options) -> str:
    """What pytest says of these tests."""
    file = folder / "test_stand_in.py"
    file.write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.cuda.watch", "-m", "gpu", *options, str(file)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def test_others_go_on_in_another_process(tmp_path):
    pytest.importorskip("xdist")
    text = told(tmp_path, "-n", "1", "-v")
    assert "test_breaks left the GPU unusable: RuntimeError: an illegal memory access" in text
    assert "ArithmeticError: wrong numbers" in text
    assert "Timeout (0:00:02)!" in text
    assert "in test_hangs" in text
    assert "crashed while running '" in text
    assert "3 failed, 2 passed" in text


def test_without_another_process_the_tests_end(tmp_path):
    text = told(tmp_path)
    assert "test_breaks left the GPU unusable: RuntimeError: an illegal memory access" in text
    assert "1 failed, 1 passed" in text
