"""Random numbers on the CPU: bit for bit those of `gpubp.ops.philox`, whose docstrings define them."""

import numpy as np

from gpubp.kernels.cpu.flags import inlined, jit

# LLVM deems Philox too long to inline, and a loop with a call in it is not vectorised: masks took eight times as long.
# Hence the functions that are inlined.

# Repeated, not imported: what is compiled is kept under a name that knows of changes in this folder alone.
MASK, NOISE, SHUFFLE = 0, 1, 2

# Numba widens uint32 arithmetic to 64 bits, and int64 with uint64 to float64: hence the casts.
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_MIX0, _MIX1 = np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)
_WORD = np.uint64(32)


@inlined
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


@inlined
def _words(seed, what, stream, step, row, group):
    """The four words of a counter."""
    place = (step >> 32) << 16 | what << 12 | stream
    return philox4x32(
        np.uint32(group), np.uint32(row), np.uint32(step), np.uint32(place), np.uint32(seed), np.uint32(seed >> 32)
    )


@jit
def keep_mask(out, seed, stream, step, threshold, first_row=0):
    """Fill a bool or uint8 array (rows, columns) with 1 where dropout of this `keep_threshold` keeps the element."""
    rows, columns = out.shape
    threshold = np.uint32(threshold)
    groups, tail = divmod(columns, 8)
    for row in range(rows):
        for group in range(groups):
            words = _words(seed, MASK, stream, step, first_row + row, group)
            for j in range(8):
                out[row, 8 * group + j] = _kept(words, j, threshold)
        if tail:
            words = _words(seed, MASK, stream, step, first_row + row, groups)
            for j in range(tail):
                out[row, 8 * groups + j] = _kept(words, j, threshold)


@inlined
def _kept(words, j, threshold):
    half = words[j // 2] >> np.uint32(16 * (j % 2)) & np.uint32(0xFFFF)
    return half >= threshold


@jit
def normal(out, seed, stream, step, first_row=0):
    """Fill a float array (rows, columns) with standard normal numbers, computed in its dtype."""
    _fill(out, seed, stream, step, first_row, _normal_pair)


@jit
def uniform(out, seed, stream, step, first_row=0):
    """Fill a float array (rows, columns) with uniform numbers in [0, 1)."""
    _fill(out, seed, stream, step, first_row, _uniform_pair)


@inlined
def _fill(out, seed, stream, step, first_row, pair_of):
    """Fill an array with what is made of four words for two neighbouring columns."""
    rows, columns = out.shape
    dtype = out.dtype.type
    for row in range(rows):
        for pair in range(columns // 2):
            words = _words(seed, NOISE, stream, step, first_row + row, pair)
            out[row, 2 * pair], out[row, 2 * pair + 1] = pair_of(words, dtype, out.itemsize)
        if columns % 2:
            words = _words(seed, NOISE, stream, step, first_row + row, columns // 2)
            out[row, columns - 1] = pair_of(words, dtype, out.itemsize)[0]


@inlined
def _normal_pair(words, dtype, itemsize):
    """The two numbers that Box and Muller make of two uniform ones."""
    first, second = _uniform_pair(words, dtype, itemsize)
    radius, angle = np.sqrt(dtype(-2) * np.log(dtype(1) - first)), dtype(2 * np.pi) * second
    return radius * np.cos(angle), radius * np.sin(angle)


@inlined
def _uniform_pair(words, dtype, itemsize):
    return _uniform(words[0], words[1], dtype, itemsize), _uniform(words[2], words[3], dtype, itemsize)


@inlined
def _uniform(high, low, dtype, itemsize):
    """The highest 24 or 53 of 64 bits as a number in [0, 1)."""
    whole = np.uint64(high) << _WORD | np.uint64(low)
    if itemsize == 4:
        return dtype(np.uint32(whole >> np.uint64(40))) * dtype(2.0**-24)
    return dtype(whole >> np.uint64(11)) * dtype(2.0**-53)


@jit
def permute_by_sort(out, scratch, seed, epoch):
    """The order of an epoch of few rows, into an int64 array (n,). `scratch` is one of uint64, (n + 257,).

    Stable: buckets by the highest eight bits, then an insertion sort, which is left with little to do.
    """
    keys, begins = scratch[257:], scratch[:257]
    begins[:] = 0
    for i in range(len(out)):
        keys[i] = _sort_key(seed, epoch, i)
        begins[_bucket(keys[i]) + 1] += 1
    for bucket in range(256):
        begins[bucket + 1] += begins[bucket]
    for i in range(len(out)):
        bucket = _bucket(keys[i])
        out[begins[bucket]] = i
        begins[bucket] += 1
    for i in range(1, len(out)):
        row, place = out[i], i
        while place > 0 and keys[out[place - 1]] > keys[row]:
            out[place] = out[place - 1]
            place -= 1
        out[place] = row


@inlined
def _sort_key(seed, epoch, i):
    words = _words(seed, SHUFFLE, 0, epoch, 0, i // 2)
    j = 2 * (i % 2)
    return np.uint64(words[j + 1]) << _WORD | np.uint64(words[j])


@inlined
def _bucket(key):
    return np.int64(key >> np.uint64(56))


@jit
def permute_by_network(out, seed, epoch):
    """The order of an epoch of many rows, into an int64 array (n,)."""
    n = len(out)
    bits = 0
    while (n - 1) >> bits:
        bits += 1
    shift = bits // 2
    b = np.uint32(((n - 1) >> shift) + 1)
    keys = _words(seed, SHUFFLE, 0, epoch, 0, 0) + _words(seed, SHUFFLE, 0, epoch, 0, 1)
    # Two loops, since only one without the walk is vectorised.
    for i in range(n):
        out[i] = _feistel(i, shift, b, keys)
    for i in range(n):
        while out[i] >= n:
            out[i] = _feistel(out[i], shift, b, keys)


@inlined
def _feistel(i, shift, b, keys):
    """The network on one number below 2**shift · b."""
    mask = np.uint32((1 << shift) - 1)
    halves = np.uint32(i >> shift), np.uint32(i & mask)
    halves = _two_rounds(halves, keys[0], keys[1], mask, b)
    halves = _two_rounds(halves, keys[2], keys[3], mask, b)
    halves = _two_rounds(halves, keys[4], keys[5], mask, b)
    high, low = _two_rounds(halves, keys[6], keys[7], mask, b)
    return np.int64(high) << shift | np.int64(low)


@inlined
def _two_rounds(halves, key0, key1, mask, b):
    high, low = halves
    low = np.uint32((low + _mix(high, key0)) & mask)
    high = np.uint32(high + np.uint32(np.uint64(_mix(low, key1)) * np.uint64(b) >> _WORD))
    return (np.uint32(high - b) if high >= b else high), low


@inlined
def _mix(x, key):
    """The finaliser of MurmurHash3."""
    h = np.uint32(x ^ key)
    h = np.uint32(np.uint32(h ^ h >> np.uint32(16)) * _MIX0)
    h = np.uint32(np.uint32(h ^ h >> np.uint32(13)) * _MIX1)
    return np.uint32(h ^ h >> np.uint32(16))
