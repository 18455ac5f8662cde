"""What tensor cores multiply, in float32 arrays: numbers with fewer digits."""

import numpy as np

CUT = {"tf32": 13, "bfloat16": 16}  # bits of float32's fraction that a format has not


def rounded(x: np.ndarray, precision: str) -> np.ndarray:
    """float32 numbers to the nearest of a format, ties to even; arrays of other dtypes as they are.

    NaN stays NaN, and what is too large for a format is infinite.

    Arguments:
        x: array.
        precision: "tf32", "bfloat16" or "float16".

    >>> rounded(np.float32([1.01, 70000.0]), "bfloat16").tolist(), rounded(np.float32([70000.0]), "float16").tolist()
    ([1.0078125, 70144.0], [inf])
    """
    if x.dtype != np.float32:
        return x
    if precision == "float16":
        with np.errstate(over="ignore"):
            return x.astype(np.float16).astype(np.float32)
    n, bits = CUT[precision], np.ascontiguousarray(x).view(np.uint32)
    even = bits + (np.uint32((1 << n - 1) - 1) + (bits >> np.uint32(n) & np.uint32(1)))
    kept = even & np.uint32(0xFFFFFFFF << n & 0xFFFFFFFF)
    return np.where(np.isfinite(x), kept.view(np.float32).reshape(x.shape), x)
