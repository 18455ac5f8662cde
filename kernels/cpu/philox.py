"""Random numbers on the CPU: bit for bit those of `gpubp.ops.philox`, whose docstrings define them."""

import numpy as np

from gpubp.kernels.cpu.flags import jit
from gpubp.ops.philox import MASK, SHUFFLE, SORT_LIMIT

# Numba widens uint32 arithmetic to 64 bits, and int64 with uint64 to float64: hence a cast around every operation.
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_MIX0, _MIX1 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_WORD = np.uint64(32)


@jit
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Philox 4x32-10 of one counter: four uint32, from six."""
    for _ in range(10):
        product0 = np.uint64(c0) * _M0
        product1 = np.uint64(c2) * _M1
        c0 = np.uint32(np.uint32(product1 >> _WORD) ^ c1 ^ k0)
        c2 = np.uint32(np.uint32(product0 >> _WORD) ^ c3 ^ k1)
        c1 = np.uint32(product1)
        c3 = np.uint32(product0)
        k0 = np.uint32(k0 + _W0)
        k1 = np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@jit
def _words(seed, what, stream, step, row, group):
    """The four words of one counter of the layout."""
    place = (step >> 32) << 16 | what << 12 | stream
    return philox4x32(
        np.uint32(group), np.uint32(row), np.uint32(step), np.uint32(place), np.uint32(seed), np.uint32(seed >> 32)
    )


@jit
def keep_mask(out, seed, stream, step, threshold, first_row=0):
    """Fill a bool or uint8 array (rows, columns) with the mask of a `keep_threshold`."""
    rows, columns = out.shape
    for row in range(rows):
        for group in range(columns // 8):
            words = _words(seed, MASK, stream, step, first_row + row, group)
            for j in range(8):
                out[row, 8 * group + j] = _kept(words, j, threshold)
        if columns % 8:
            words = _words(seed, MASK, stream, step, first_row + row, columns // 8)
            for j in range(columns % 8):
                out[row, columns // 8 * 8 + j] = _kept(words, j, threshold)


@jit
def _kept(words, j, threshold):
    half = (words[j // 2] >> (16 * (j % 2))) & 0xFFFF
    return half >= threshold
