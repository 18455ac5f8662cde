"""What a chain takes of the chip and of memory, by how many rows and blocks at a time; never by the device's name.

Shared memory holds what all rows share and, behind it, the tiles; memory what blocks leave of sums and of totals.
"""

from math import prod

import numpy as np

from gpubp.kernels.cuda.launch import BLOCK, Launch, power_of_two, row_sums, totals
from gpubp.kernels.description import Chain, ChainEnd, Gradient, Reduce, RowLoop

FEWEST_ROWS, AT_ONCE, MOST_ROWS = 8, 16, 64  # of a tile; tensor cores multiply so many at once
ROOM = 160 * 1024  # bytes on the chip: no more rows than fit in here, though more would on the latest devices
HALF_OF_IT = 108 * 1024  # where no more is needed, two blocks, with what they have beside it, share a multiprocessor
MANY_SUMS = 48  # of a thread, which then needs the registers that two threads would have
BLOCKS = 132  # the multiprocessors of an H100, whatever the device, so that sums have one order everywhere
SUMMED = (32, 8, 1)  # threads that add up what blocks have left: columns, and shares of the blocks
BYTES = {"bfloat16": 2, "float16": 2}


def distance(dtype: str, columns: int, factor: bool = False) -> int:
    """Elements from row to row on the chip: an odd number of 16 bytes; of a float32 factor, which is read along either
    dimension, an odd number of elements."""
    if factor and dtype == "float32":
        return columns | 1
    size = itemsize(dtype)
    return (-(-columns * size // 16) | 1) * 16 // size


def itemsize(dtype: str) -> int:
    return BYTES.get(dtype) or np.dtype(dtype).itemsize


def row_bytes(dtype: str, columns: int) -> int:
    """That a row of a tile takes."""
    return distance(dtype, columns) * itemsize(dtype)


def launch(kernel: Chain | ChainEnd, rows: int) -> Launch:
    """Of a chain for so many rows, or of its end."""
    chain = kernel.chain if isinstance(kernel, ChainEnd) else kernel
    blocks = _blocks(chain, rows)
    if isinstance(kernel, ChainEnd):
        return Launch((-(-sums(chain) // SUMMED[0]) + 1, 1, 1), SUMMED, partials=_partials(chain, blocks))
    need = _shared_bytes(chain) + tile_rows(chain, rows) * _tile_bytes(chain)
    return Launch((blocks, 1, 1), (BLOCK, 1, 1), shared=need, partials=_partials(chain, blocks))


def tile_rows(chain: Chain, rows: int) -> int:
    """The rows of a tile: a power of two, by which all blocks have something to do and which fits."""
    fewest = AT_ONCE if any(t.dtype == "bfloat16" for t in chain.tiles) else FEWEST_ROWS
    found = min(MOST_ROWS, max(fewest, power_of_two(-(-rows // BLOCKS))))
    while found > fewest and _shared_bytes(chain) + found * _tile_bytes(chain) > ROOM:
        found //= 2
    return found


def _blocks(chain, rows) -> int:
    return max(1, min(BLOCKS * at_once(chain, rows), -(-rows // tile_rows(chain, rows))))


def at_once(chain, rows) -> int:
    """Blocks that a multiprocessor has room for."""
    need = _shared_bytes(chain) + tile_rows(chain, rows) * _tile_bytes(chain)
    return 2 if need <= HALF_OF_IT and -(-sums(chain) // BLOCK) <= MANY_SUMS else 1


def _shared_bytes(chain) -> int:
    return sum(room(chain, k) for k in range(len(chain.shared)))


def room(chain, k) -> int:
    """Bytes of what all rows share, the next of which begins at a multiple of 16."""
    s = chain.shared[k]
    dtype = chain.arrays[s.array].dtype
    return -(-s.rows * distance(dtype, s.columns, s.factor) * itemsize(dtype) // 16) * 16


def _tile_bytes(chain) -> int:
    """Of one row of all tiles."""
    return max((t.begin + row_bytes(t.dtype, t.columns) for t in chain.tiles), default=0)


def sums(chain) -> int:
    """Elements of all sums over the rows."""
    return sum(n for _, n in places(chain))


def _partials(chain, blocks) -> int:
    each = sum(len(totals(s.loop)) for s in chain.stages if isinstance(s, RowLoop))
    return -(-4 * sums(chain) * blocks // 8) * 8 + 8 * each * blocks


def places(chain: Chain) -> list[tuple[int, int]]:
    """Sums over the rows in the order in which blocks leave them: the array that each goes to, and its elements."""
    found = []
    for s in chain.stages:
        if isinstance(s, Gradient):
            found.append((s.out, prod(matrix(chain, s))))
        if isinstance(s, RowLoop):
            found += [(array_of(s, r), s.columns) for r in row_sums(s.loop)]
    return found


def array_of(stage: RowLoop, s: Reduce) -> int:
    """The number of the array in memory that a sum over the rows goes to."""
    return next(stage.homes[a.array][1] for a in stage.loop.stores if a.value == s.value)


def matrix(chain: Chain, s: Gradient) -> tuple[int, int]:
    """Rows and columns of a gradient."""
    return chain.tiles[s.left].columns, chain.tiles[s.right].columns
