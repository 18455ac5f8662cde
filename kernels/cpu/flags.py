"""How every kernel of the CPU is compiled."""

import numba as nb

# Without "nnan" and "ninf": NaN and infinity survive, and tests for them are not optimised away. Without "arcp": x / d
# does not become x * (1 / d), which is NaN where x is 0 and d a denormal number.
STEPS = {"fastmath": {"contract", "nsz", "afn"}, "error_model": "numpy"}
# "reassoc" makes (a + b) - a a plain b, whatever a is: it is for sums, which are not vectorised without it.
FAST = STEPS | {"fastmath": STEPS["fastmath"] | {"reassoc"}}
# For formulas whose order matters: "reassoc" would merge both products of a range reduction, "nsz" may lose -0.
ORDERED = {"fastmath": {"contract"}, "error_model": "numpy", "forceinline": True}


def for_kernels(**options):
    """A decorator for functions that kernels call and Python does not, for which half as much is to be compiled.

    Without Numba's runtime (`_nrt`), which counts references to arrays: no function may make one.
    """
    compiled = nb.njit(nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, **options)

    def decorator(function):
        def refuse(*arguments, **named):
            raise TypeError(f"{function.__name__} is compiled for kernels, not to be called from Python")

        dispatcher = compiled(function)
        dispatcher._insert = lambda *entry: None  # else a call from Python would find the wrapper's address, which is 0
        dispatcher._compile_for_args = refuse
        return dispatcher

    return decorator


jit = for_kernels(**FAST)
ordered = for_kernels(**ORDERED)
inlined = for_kernels(forceinline=True, **FAST)
