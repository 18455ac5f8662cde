"""The emulation catches what it is there to catch; without the planted mistakes the same programs pass."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .emulation.build import EmulationError
from .planted import PLANTS, PROGRAMS, plant, run

ROOT = Path(__file__).parents[2]
RUNTIME = {"asan": "libasan.so", "tsan": "libtsan.so"}


def of_mode(mode):
    return [name for name, mistake in PLANTS.items() if mistake.mode == mode]


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_pass(name):
    run(name)


@pytest.mark.parametrize("name", of_mode("plain"))
def test_mistakes_are_caught(name):
    undo = plant(name)
    try:
        with pytest.raises((AssertionError, EmulationError, FloatingPointError), match=PLANTS[name].caught):
            run(PLANTS[name].program)
    finally:
        undo()


def sanitized(mode, name):
    """A program, or a mistake, under a sanitizer: the exit status and what was said."""
    library = subprocess.run(
        ["g++", f"-print-file-name={RUNTIME[mode]}"], capture_output=True, text=True
    ).stdout.strip()
    options = {"ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "halt_on_error=1:exitcode=66:report_signal_unsafe=0"}
    environment = os.environ | options | {"LD_PRELOAD": library, "PYTHONMALLOC": "malloc"}
    command = [sys.executable, "-m", "tests.cuda.planted", mode, name]
    if mode == "tsan":
        command = ["setarch", "-R", *command]  # its shadow memory does not bear random addresses
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted({PLANTS[name].program for name in of_mode("asan")}))
def test_programs_pass_under_the_address_sanitizer(name):
    status, said = sanitized("asan", name)
    assert status == 0, said


@pytest.mark.parametrize("name", of_mode("asan"))
def test_mistakes_are_caught_by_the_address_sanitizer(name):
    status, said = sanitized("asan", name)
    assert status != 0
    assert re.search(PLANTS[name].caught, said), said


@pytest.mark.tsan
@pytest.mark.parametrize("name", ["sums", "softmax", "network", *of_mode("tsan")])
def test_the_thread_sanitizer_tells_races(name):
    status, said = sanitized("tsan", name)
    assert (status != 0) == (name in PLANTS), said
    if name in PLANTS:
        assert re.search(PLANTS[name].caught, said), said
