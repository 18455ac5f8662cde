"""Compiling that takes long is announced, once; what is on disk or in memory is not."""

import ctypes
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.codegen import JitEngine

from gpubp.kernels.cpu import compile, f32, machine_code, pace

from .calling import FromPython

KERNEL = """
def kernel(context, arguments):
    ints(context)[0] += {}
"""
SEVERAL = [KERNEL.format(k) for k in range(3)]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A cache folder with nothing in it, and nothing in memory, as if the process had just begun."""
    monkeypatch.setattr(compile, "folder", lambda: tmp_path)
    monkeypatch.setattr(compile, "_ADDRESSES", {})
    monkeypatch.setattr(compile, "_PACE", pace.Pace())
    return tmp_path


def announced(caplog, bodies):
    caplog.clear()
    compile.announce(bodies)
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_several_kernels_are_announced_until_they_are_there(empty, caplog, monkeypatch):
    expected = [(logging.WARNING, f"compiling 3 kernels, which takes some 3 s; kept in {empty}")]
    assert announced(caplog, [*SEVERAL, SEVERAL[0]]) == expected
    for body in SEVERAL:
        compile.address(body)
    assert announced(caplog, SEVERAL) == []  # in memory
    monkeypatch.setattr(compile, "_ADDRESSES", {})
    assert announced(caplog, SEVERAL) == []  # on disk


def called(body):
    """What a kernel makes of a context of one number, 0."""
    context = np.zeros(1, np.int64)
    ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(compile.address(body))(context.ctypes.data, 0)
    return context[0]


@pytest.mark.parametrize(
    "damage", [lambda code: b"", lambda code: code[:-1], lambda code: code[:99] + b"?" + code[100:]]
)
def test_a_damaged_file_is_made_again(empty, monkeypatch, damage):
    """Machine code that is not what was written is never run."""
    body = KERNEL.format(7)
    assert called(body) == 7
    (file,) = empty.glob("*.o")
    file.write_bytes(damage(file.read_bytes()))
    assert machine_code.read(file) is None
    monkeypatch.setattr(compile, "_ADDRESSES", {})
    assert called(body) == 7
    assert machine_code.read(file)


def test_where_nothing_can_be_kept_kernels_run_all_the_same(empty, monkeypatch, caplog):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert [called(KERNEL.format(n)) for n in (8, 9)] == [8, 9]
    assert not list(empty.iterdir())
    (line,) = (r.message for r in caplog.records if "cannot be kept" in r.message)
    assert "No space left" in line
    assert str(empty) in line


def test_a_folder_that_was_removed_is_made_again(empty):
    empty.rmdir()
    assert called(KERNEL.format(6)) == 6
    assert len(list(empty.glob("*.o"))) == 1


def test_several_threads_may_be_the_first_at_once(tmp_path):
    """Without a lock each would have an engine of its own, and code of all but one would be freed."""
    script = """
import threading, sys
import numpy as np, gpubp
from gpubp.kernels.cpu import machine_code
made, make = set(), machine_code.load
machine_code.load = lambda *a: made.add(machine_code._engine()) or make(*a)
sys.setswitchinterval(1e-5)
begin = threading.Barrier(6)
def fit():
    model = gpubp.Sequential([gpubp.layers.Dense(20, "tanh"), gpubp.layers.Dense(3)])
    model.compile("sgd", "mse")
    begin.wait()
    model.fit(np.ones((9, 4), np.float32), np.zeros((9, 3), np.float32), verbose=0)
    done.append(0)
done, threads = [], [threading.Thread(target=fit) for _ in range(6)]
for t in threads: t.start()
for t in threads: t.join()
print(len(done), len(made))
"""
    environment = os.environ | {"GPUBP_CACHE": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.split() == ["6", "1"]


def test_what_is_on_disk_runs_without_numba(tmp_path):
    """A process that compiles nothing does not import what compiles; one that does has told of all of it."""
    script = (
        "import sys, numpy as np, gpubp\n"
        "model = gpubp.Sequential([gpubp.layers.Dense(20, 'relu'), gpubp.layers.Dropout(0.5), gpubp.layers.Dense(3)])\n"
        "model.compile('adam', 'mse')\n"
        "gpubp.set_random_seed(0)\n"
        "x, y = np.ones((9, 4), np.float32), np.zeros((9, 3), np.float32)\n"
        "found = model.fit(x, y, shuffle=False, verbose=0).history['loss']\n"
        "print('numba' in sys.modules, found)"
    )
    environment = os.environ | {"GPUBP_CACHE": str(tmp_path)}
    first, second = (
        subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    )
    assert second.stdout == first.stdout.replace("True", "False") != first.stdout
    assert f"compiling {len(list(tmp_path.rglob('*.o')))} kernels" in first.stderr
    assert second.stderr == ""


def test_machine_code_is_made_once(empty, monkeypatch):
    """Numba has an engine of its own, which would make it as well, for nobody."""
    assert called(KERNEL.format(4)) == 4
    made = []
    monkeypatch.setattr(JitEngine, "finalize_object", lambda engine: made.append(engine))
    assert called(KERNEL.format(5)) == 5
    assert made == []


def test_a_single_kernel_is_worth_a_line_only_where_it_is_the_first(empty, caplog):
    ((_, line),) = announced(caplog, SEVERAL[:1])
    assert line.startswith("compiling a kernel, which takes some 3 s")
    compile.address(SEVERAL[1])
    assert announced(caplog, SEVERAL[:1]) == []
    assert announced(caplog, []) == []


@pytest.mark.parametrize("seconds", [0.1, 1.0])
def test_the_time_that_is_announced_follows_what_was_measured(monkeypatch, seconds):
    clock, found = [0.0], pace.Pace()
    monkeypatch.setattr(pace.time, "perf_counter", lambda: clock[0])
    for k in range(200):
        with found.measured("a" * 1000):
            clock[0] += seconds if k else seconds + pace.STARTING
    assert found.seconds(["b" * 1000] * 10) == pytest.approx(10 * seconds, rel=0.3)


def test_functions_of_kernels_are_not_for_python():
    """They have no wrappers that Python could call, even where a kernel has had them compiled."""
    assert FromPython(f32).exp(np.float32(0)) == 1
    with pytest.raises(TypeError, match="exp is compiled for kernels"):
        f32.exp(np.float32(0))
