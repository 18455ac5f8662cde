"""How every kernel of the CPU is compiled."""

import numba as nb

# Without "nnan" and "ninf": NaN and infinity survive, and tests for them are not optimised away.
FAST = {"fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"}, "error_model": "numpy"}
jit = nb.njit(nogil=True, **FAST)
