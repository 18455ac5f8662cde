"""Every name that the file for CuPy uses is one of CuPy's, which can be imported without a GPU."""

import ast
import inspect
from pathlib import Path

import pytest

from gpubp.backend import cuda

cupy = pytest.importorskip("cupy", reason="CuPy is not installed: these names can't be checked")

TREE = ast.parse(Path(cuda.__file__).read_text())
# What is reached through objects, whose classes the text does not tell: by the name that each has there.
OBJECTS = {
    "device": (lambda: cupy.cuda.Device, {"compute_capability", "mem_info", "synchronize", "id"}),
    "queue": (lambda: cupy.cuda.Stream, {"begin_capture", "end_capture", "synchronize", "record", "wait_event"}),
    "copies": (lambda: cupy.cuda.Stream, {"record", "wait_event"}),
    "sent": (lambda: cupy.cuda.Event, {"synchronize"}),
    "main": (lambda: cupy.cuda.Stream, {"record", "wait_event"}),
    "side": (lambda: cupy.cuda.Stream, {"record", "wait_event"}),
    "module": (lambda: cupy.cuda.function.Module, {"load", "get_function"}),
    "captured": (lambda: cupy.cuda.Graph, {"launch"}),
    "target": (lambda: cupy.ndarray, {"set", "dtype", "shape", "data"}),
    "data": (lambda: cupy.cuda.MemoryPointer, {"copy_from_host_async"}),
    "array": (lambda: cupy.ndarray, {"data"}),
    "pool": (lambda: cupy.cuda.MemoryPool, {"free_bytes", "free_all_blocks"}),
    "own": (lambda: cupy.ndarray, {"device"}),
}
POINTERS = {"ptr"}  # of streams and of memory: set when they are made


def chains():
    """Attributes as they are written, such as ("self", "cupy", "cuda", "Stream")."""
    for node in ast.walk(TREE):
        names = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and names:
            yield (node.id, *reversed(names))


def rooted():
    """The chains that begin with CuPy itself, from there on."""
    for chain in chains():
        if chain[:2] == ("self", "cupy"):
            yield chain[2:]
        elif chain[0] == "cupy":
            yield chain[1:]
        elif chain[0] == "cuda":  # as a short name in `capture`
            yield ("cuda", *chain[1:])


def test_names_of_modules_exist():
    wanted = {chain for chain in rooted() if chain}
    assert ("cuda", "Stream") in wanted
    assert len(wanted) > 10
    for chain in wanted:
        found = cupy
        for name in chain:
            assert hasattr(found, name), ".".join(chain)
            found = getattr(found, name)


@pytest.mark.parametrize("name", OBJECTS)
def test_names_of_objects_exist(name):
    kind, wanted = OBJECTS[name]
    used = {chain[chain.index(name) + 1] for chain in chains() if name in chain[:-1]}
    assert used - POINTERS <= wanted
    assert [attribute for attribute in wanted if not hasattr(kind(), attribute)] == []


def test_calls_bind():
    """The arguments, as far as CuPy's functions tell theirs."""
    inspect.signature(cupy.asnumpy).bind(object(), stream=None)
    inspect.signature(cupy.zeros).bind(1, int)
    inspect.signature(cupy.cuda.Stream.__init__).bind(None, non_blocking=True)
    inspect.signature(cupy.cuda.Event.__init__).bind(None, block=True, disable_timing=True)
    inspect.signature(cupy.cuda.Stream.begin_capture).bind(None, cupy.cuda.runtime.streamCaptureModeThreadLocal)
    inspect.signature(cupy.cuda.using_allocator).bind(lambda n: None)
    assert "set(self, arr, stream=None)" in cupy.ndarray.set.__doc__
    assert (
        "copy_from_host_async(self, mem, size_t size, stream=None)"
        in cupy.cuda.MemoryPointer.copy_from_host_async.__doc__
    )
    assert "alloc_pinned_memory(size_t size)" in cupy.cuda.alloc_pinned_memory.__doc__
    assert "funcSetAttribute(intptr_t f, int attribute, int value)" in cupy.cuda.driver.funcSetAttribute.__doc__
    assert "launch(self, stream=None)" in cupy.cuda.Graph.launch.__doc__


def test_no_gpu_is_an_error_of_ours(monkeypatch):
    """Where CuPy is installed and no driver answers."""
    if cupy.cuda.is_available():
        pytest.skip("there is a GPU here")
    from gpubp.backend import choice

    with pytest.raises(RuntimeError, match=r"device 'cuda' is not there: CuPy finds no GPU that works.*gpubp doctor"):
        choice.set_device("cuda")
