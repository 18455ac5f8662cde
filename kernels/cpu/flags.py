"""How every kernel of the CPU is compiled."""

import numba as nb

# Without "nnan" and "ninf": NaN and infinity survive, and tests for them are not optimised away. Without "arcp": x / d
# does not become x * (1 / d), which is NaN where x is 0 and d a denormal number.
STEPS = {"fastmath": {"contract", "nsz", "afn"}, "error_model": "numpy"}
# "reassoc" makes (a + b) - a a plain b, whatever a is: it is for sums, which are not vectorised without it.
FAST = STEPS | {"fastmath": STEPS["fastmath"] | {"reassoc"}}
jit = nb.njit(nogil=True, **FAST)
# For formulas whose order matters: "reassoc" would merge both products of a range reduction, "nsz" may lose -0.
ordered = nb.njit(nogil=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
