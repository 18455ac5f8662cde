"""The one random number generator: counter-based Philox, and what training draws from it.

Nothing here has a state. A draw is a function of (seed, what, stream, step, row, column), so masks, noise and the order
of rows are the same on every device, however the work is shared out and wherever training was resumed.

Layout of the 128-bit counter, from its lowest word; the 64-bit key is the seed in two's complement, low word first:

====  ========================================================================================
word  meaning
====  ========================================================================================
0     group of neighbouring columns; for the shuffle, number of the block of four words
1     row; for the shuffle, 0
2     low 32 bits of the step; for the shuffle, of the epoch
3     bits 16-31: high 16 bits of the step; bits 12-15: what is drawn; bits 0-11: the stream
====  ========================================================================================

A *stream* is a number below 4,096 that tells apart the places of a program that draw; the shuffle uses stream 0.
"""

import numpy as np

MASK, NOISE, SHUFFLE = range(3)
"""What is drawn, in the counter: no two of them ever share a word."""

SORT_LIMIT = 4096
"""Up to so many rows the order is a sort of random keys, beyond it a Feistel network."""

_MULTIPLIERS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)
_WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)
_PHILOX_ROUNDS = 10
_FEISTEL_ROUNDS = 8
_WORD = np.uint64(32)


def philox4x32(counter, key):
    """Encrypt counters with Philox 4x32-10: four random words for each.

    Args:
        counter: uint32 array (..., 4), lowest word first.
        key: uint32 array (..., 2), broadcast against `counter`.

    Returns:
        uint32 array (..., 4).

    Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.

    >>> [hex(word) for word in philox4x32([0, 0, 0, 0], [0, 0])]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    counter, key = np.asarray(counter, np.uint32), np.asarray(key, np.uint32)
    keys = key[..., None, :] + np.arange(_PHILOX_ROUNDS, dtype=np.uint32)[:, None] * _WEYL
    c0, c1, c2, c3 = np.moveaxis(counter, -1, 0)
    for r in range(_PHILOX_ROUNDS):
        high0, low0 = _multiply(c0, _MULTIPLIERS[0])
        high1, low1 = _multiply(c2, _MULTIPLIERS[1])
        c0, c1, c2, c3 = high1 ^ c1 ^ keys[..., r, 0], low1, high0 ^ c3 ^ keys[..., r, 1], low0
    return np.stack(np.broadcast_arrays(c0, c1, c2, c3), axis=-1)


def _multiply(word, multiplier):
    """High and low word of the 64-bit product."""
    product = word.astype(np.uint64) * multiplier
    return (product >> _WORD).astype(np.uint32), product.astype(np.uint32)


def _words(seed, what, stream, step, rows, groups):
    """The words of the counters at `rows` (r,) and `groups` (g,): uint32 (r, g, 4)."""
    if not 0 <= stream < 4096:
        raise ValueError(f"stream must be in [0, 4096), got {stream}")
    if not 0 <= step < 1 << 48:
        raise ValueError(f"step must be in [0, 2**48), got {step}")
    counter = np.empty((len(rows), len(groups), 4), np.uint32)
    counter[..., 0] = groups
    counter[..., 1] = np.asarray(rows)[:, None]
    counter[..., 2] = step & 0xFFFFFFFF
    counter[..., 3] = step >> 32 << 16 | what << 12 | stream
    return philox4x32(counter, [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF])


def keep_threshold(rate):
    """The 16-bit threshold of a dropout rate, round(65536 · rate): half-words below it drop their element.

    Args:
        rate: the share of elements to drop, in [0, 1). It is met to within 2⁻¹⁷.

    Raises:
        ValueError: `rate` is outside of [0, 1).

    >>> keep_threshold(0.25)
    16384
    """
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be in [0, 1), got {rate}")
    return round(rate * 65536)


def keep_mask(seed, stream, step, rows, columns, rate, first_row=0):
    """True where an element survives dropout of the given rate.

    The element (row, column) owns half-word column % 8 (low half of word 0 first) of the counter

        (column // 8, first_row + row, step mod 2³², (step // 2³²) · 2¹⁶ + MASK · 2¹² + stream)

    and survives if that is not below `keep_threshold(rate)`. One Philox call thus serves eight neighbours, and an
    element's fate does not depend on how many rows and columns are asked for.

    Args:
        seed: int64, the key.
        stream: int in [0, 4096), the place that draws.
        step: int in [0, 2**48).
        rows, columns: extents of the mask.
        rate: the share of elements to drop, in [0, 1).
        first_row: row number of the mask's first row. Default: 0.

    Returns:
        bool array (rows, columns).

    Raises:
        ValueError: `rate`, `stream` or `step` is out of range.

    >>> bool((keep_mask(7, 0, 3, 100, 50, 0.5)[40:, :9] == keep_mask(7, 0, 3, 60, 9, 0.5, first_row=40)).all())
    True
    """
    threshold = keep_threshold(rate)
    words = _words(seed, MASK, stream, step, first_row + np.arange(rows), np.arange(-(-columns // 8)))
    halves = words.astype("<u4").view("<u2").reshape(rows, 8 * words.shape[1])
    return halves[:, :columns] >= threshold


def uniform(seed, stream, step, rows, columns, dtype, first_row=0):
    """Uniform numbers in [0, 1): multiples of 2⁻²⁴ (float32) or 2⁻⁵³ (float64).

    One Philox call, of the counter (column // 2, first_row + row, step, …) laid out as for `keep_mask` but with NOISE,
    serves two neighbours: the 64-bit number word[2j] · 2³² + word[2j + 1], j = column % 2, cut to its highest 24 or 53
    bits. A float32 draw is therefore the float64 draw cut short: a model checked in float64 meets the same noise.

    Args:
        seed, stream, step, rows, columns, first_row: as for `keep_mask`.
        dtype: float32 or float64.

    Returns:
        array (rows, columns) of `dtype`.

    Raises:
        TypeError: `dtype` is neither float32 nor float64.
        ValueError: `stream` or `step` is out of range.

    >>> x = uniform(seed=1, stream=0, step=0, rows=1000, columns=3, dtype="float32")
    >>> x.shape, bool(x.min() >= 0), bool(x.max() < 1)
    ((1000, 3), True, True)
    """
    return _side_by_side(_pairs(seed, stream, step, rows, columns, dtype, first_row), columns)


def normal(seed, stream, step, rows, columns, dtype, first_row=0):
    """Standard normal numbers by the method of Box and Muller.

    From the uniform numbers u₀ and u₁ of columns 2j and 2j + 1:

        z₀ = √(−2 ln(1 − u₀)) cos 2πu₁,    z₁ = √(−2 ln(1 − u₀)) sin 2πu₁

    in the arithmetic of `dtype`, so the largest magnitude is 5.8 in float32 and 8.6 in float64.

    Arguments, result and errors are those of `uniform`.

    Source: Box, Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29, 1958.

    >>> x = normal(seed=1, stream=0, step=0, rows=1000, columns=100, dtype="float64")
    >>> bool(abs(x.mean()) < 0.02), bool(abs(x.std() - 1) < 0.02)
    (True, True)
    """
    u = _pairs(seed, stream, step, rows, columns, dtype, first_row)
    # 1 - u is exact and never 0.
    radius = np.sqrt(-2 * np.log(1 - u[..., 0]))
    angle = 2 * np.pi * u[..., 1]
    return _side_by_side(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1), columns)


def _pairs(seed, stream, step, rows, columns, dtype, first_row):
    """Uniform numbers of neighbouring columns: (rows, ceil(columns / 2), 2)."""
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"dtype must be float32 or float64, got {dtype}")
    words = _words(seed, NOISE, stream, step, first_row + np.arange(rows), np.arange(-(-columns // 2)))
    bits = np.finfo(dtype).nmant + 1
    whole = _join(high=words[..., 0::2], low=words[..., 1::2]) >> np.uint64(64 - bits)
    return whole.astype(dtype) * dtype.type(2.0**-bits)


def _side_by_side(pairs, columns):
    rows, groups, _ = pairs.shape
    return pairs.reshape(rows, 2 * groups)[:, :columns].copy()


def _join(high, low):
    return high.astype(np.uint64) << _WORD | low


def permutation(n, seed, epoch):
    """The order in which an epoch visits n rows.

    Up to `SORT_LIMIT` rows it is the stable argsort of 64-bit keys: that of row i is word[2j + 1] · 2³² + word[2j],
    j = i % 2, of the counter (i // 2, 0, epoch, …) with SHUFFLE. Beyond, it is `permuted_index` of 0, …, n − 1.

    Args:
        n: number of rows.
        seed: int64.
        epoch: int in [0, 2**48).

    Returns:
        int64 array (n,).

    Raises:
        ValueError: `n` is negative or `epoch` out of range.

    >>> np.sort(permutation(6, seed=3, epoch=0))
    array([0, 1, 2, 3, 4, 5])
    """
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    if n > SORT_LIMIT:
        return permuted_index(np.arange(n), n, seed, epoch)
    words = _shuffle_words(-(-n // 2), seed, epoch)
    keys = _join(high=words[:, 1::2], low=words[:, 0::2]).ravel()[:n]
    return np.argsort(keys, stable=True).astype(np.int64)


def permuted_index(i, n, seed, epoch):
    """`permutation(n, seed, epoch)[i]`, beyond `SORT_LIMIT` without computing the others.

    An eight-round Feistel network permutes the numbers below a · b, where a = 2ˢ, s is half the bit length of n − 1,
    rounded down, and b = ⌈n / a⌉. A number is split into (high, low), high < b, low < a, and the rounds take turns:

        low ← (low + f(high)) mod a,    high ← (high + ⌊f(low) · b / 2³²⌋) mod b

    with f(x) = mix(x ⊕ key of the round), mix the finaliser of MurmurHash3 and the keys the eight words of the counters
    (0, 0, epoch, …) and (1, 0, epoch, …) with SHUFFLE. A result of n or more, fewer than one in b, is sent through
    again until it falls below n (cycle-walking), which keeps the map a bijection.

    Args:
        i: integer array of any shape, 0 <= i < n.
        n, seed, epoch: as for `permutation`.

    Returns:
        int64 array shaped as `i`.

    Raises:
        IndexError: an element of `i` is outside of [0, n).
        ValueError: `epoch` is out of range.

    Source: Black, Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002 (the mixed-radix network and
    cycle-walking); Appleby, MurmurHash3 (the finaliser).

    >>> bool((permuted_index([0, 4999], 5000, seed=3, epoch=1) == permutation(5000, 3, 1)[[0, 4999]]).all())
    True
    """
    i = np.asarray(i, np.int64)
    if i.size and not (i.min() >= 0 and i.max() < n):
        raise IndexError(f"i must be in [0, {n})")
    if n <= SORT_LIMIT:
        return permutation(n, seed, epoch)[i]
    return _walk(i.ravel(), n, _shuffle_words(_FEISTEL_ROUNDS // 4, seed, epoch).ravel()).reshape(i.shape)


def _shuffle_words(groups, seed, epoch):
    return _words(seed, SHUFFLE, 0, epoch, [0], np.arange(groups))[0]


def _walk(i, n, keys):
    """Cycle-walking: apply the network until every number is below n again."""
    out = _feistel(i, n, keys)
    while (outside := out >= n).any():
        out[outside] = _feistel(out[outside], n, keys)
    return out


def _feistel(i, n, keys):
    """The network, one round a key: a bijection of the numbers below a · b >= n."""
    shift = (n - 1).bit_length() // 2
    a = 1 << shift
    b = -(-n // a)
    high, low = i >> shift, i & (a - 1)
    for r, key in enumerate(keys):
        if r % 2 == 0:
            low = (low + _mix(high, key)) & (a - 1)
        else:
            scaled = _mix(low, key).astype(np.uint64) * np.uint64(b) >> _WORD
            high = (high + scaled.astype(np.int64)) % b
    return high << shift | low


def _mix(x, key):
    """Thirty-two well mixed bits of x and the round's key, as uint32."""
    h = x.astype(np.uint32) ^ key
    h = (h ^ h >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    h = (h ^ h >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return h ^ h >> np.uint32(16)
