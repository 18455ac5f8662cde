"""Compiling that takes long is announced, once; what is on disk or in memory is not."""

import logging

import numpy as np
import pytest

from gpubp.kernels.cpu import compile, f32

from .calling import FromPython

KERNEL = """
@entry
def kernel(context, arguments):
    ints(context)[0] += {}
"""
SEVERAL = [KERNEL.format(k) for k in range(3)]


@pytest.fixture
def empty(tmp_path, monkeypatch):
    """A cache folder with nothing in it, and nothing in memory."""
    monkeypatch.setattr(compile, "folder", lambda: tmp_path)
    monkeypatch.setattr(compile, "_ADDRESSES", {})
    return tmp_path


def announced(caplog, bodies):
    caplog.clear()
    compile.announce(bodies)
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_several_kernels_are_announced_until_they_are_there(empty, caplog, monkeypatch):
    expected = [(logging.WARNING, f"compiling 3 kernels, which takes some 1 s; they are kept in {empty}")]
    assert announced(caplog, [*SEVERAL, SEVERAL[0]]) == expected
    for body in SEVERAL:
        compile.address(body)
    assert announced(caplog, SEVERAL) == []  # in memory
    monkeypatch.setattr(compile, "_ADDRESSES", {})
    assert announced(caplog, SEVERAL) == []  # on disk


def test_a_source_without_machine_code_counts_as_missing(empty, caplog):
    """As after a process that was stopped while it compiled."""
    for body in SEVERAL:
        name = compile._name(compile._text(body))
        (empty / f"{name}.py").write_text(compile._text(body))
    assert len(announced(caplog, SEVERAL)) == 1


def test_a_single_kernel_is_not_worth_a_line(empty, caplog):
    assert announced(caplog, SEVERAL[:1]) == []
    assert announced(caplog, []) == []


def test_functions_of_kernels_are_not_for_python():
    """They have no wrappers that Python could call, even where a kernel has had them compiled."""
    assert FromPython(f32).exp(np.float32(0)) == 1
    with pytest.raises(TypeError, match="exp is compiled for kernels"):
        f32.exp(np.float32(0))
