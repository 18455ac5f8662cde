"""Functions that kernels call, made callable from Python: they are compiled without what that takes."""

from functools import cache

import numba

from gpubp.kernels.cpu.flags import FAST

jit = numba.njit(nogil=True, **FAST)


class FromPython:
    """A module of `gpubp.kernels.cpu`, its functions callable from Python."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        return from_python(getattr(self.module, name))


@cache
def from_python(function):
    """The function behind a wrapper."""
    return jit(lambda *args: function(*args))
