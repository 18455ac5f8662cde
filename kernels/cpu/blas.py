"""Where the BLAS that SciPy brings has its functions."""

import ctypes
import sys
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

from gpubp.backend.locks import ProcessLock

MODULE = "scipy.linalg.cython_blas"
_LOCK = ProcessLock()  # the second thread waits until the module is imported


def address(name: str) -> int:
    """The address of a BLAS function, such as sgemm.

    Source: SciPy, Low-level BLAS functions (`scipy.linalg.cython_blas`); CPython, Capsules.
    """
    with _LOCK:
        capsule = _module().__pyx_capi__[name]
    named, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    named.restype, named.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return pointer(capsule, named(capsule))


@cache
def _module():
    """SciPy's module without its package, whose other modules take longer to import than a small net's first fit.

    It stands where a later `import scipy.linalg` looks for it.
    """
    import scipy

    spec = PathFinder.find_spec(MODULE, [str(Path(folder) / "linalg") for folder in scipy.__path__])
    if MODULE not in sys.modules and spec and spec.loader:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[MODULE] = module
    return import_module(MODULE)
