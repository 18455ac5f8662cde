"""How every kernel of the CPU is compiled."""

import numba as nb

# Without "nnan" and "ninf": NaN and infinity survive, and tests for them are not optimised away.
FAST = {"fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"}, "error_model": "numpy"}
jit = nb.njit(nogil=True, **FAST)
# For formulas whose order matters: "reassoc" would merge both products of a range reduction, "nsz" may lose -0.
ordered = nb.njit(nogil=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
