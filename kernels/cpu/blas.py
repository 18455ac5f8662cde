"""Where the BLAS that SciPy brings has its functions."""

import ctypes


def address(name: str) -> int:
    """The address of a BLAS function, such as sgemm.

    Source: SciPy, Low-level BLAS functions (`scipy.linalg.cython_blas`); CPython, Capsules.
    """
    from scipy.linalg import cython_blas  # here, since importing it takes some 0.1 s

    capsule = cython_blas.__pyx_capi__[name]
    named, pointer = ctypes.pythonapi.PyCapsule_GetName, ctypes.pythonapi.PyCapsule_GetPointer
    named.restype, named.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return pointer(capsule, named(capsule))
