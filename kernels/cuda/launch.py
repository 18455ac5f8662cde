"""How many threads run a kernel, in which shape, and what memory they need besides its operands.

All of it follows from the description and the extents, never from the device, so that sums are added up in the same
order on every GPU.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from gpubp.kernels.description import AFTER, COLUMN, IN_ROW, INNER, Compute, Kernel, Loop, Nest, Reduce, Written

BLOCK = 256  # threads of a block, as in block.cuh
ON_CHIP = 40 * 1024  # bytes of dynamic shared memory: every device grants a block 48 KiB, of which reductions take some
MOST_BLOCKS = 2048  # enough to fill any device; threads walk over the rest
WIDEST_WARP_ROW = 256  # columns of a row that one warp walks along; a block takes longer rows
AT_ONCE = 4  # elements that a thread reads before it writes one
ROWS_A_THREAD = 2  # at least, where threads add up columns
MOST_SPLITS = 128  # of the rows, in sums over them
MOST_PARTIALS = 1 << 17  # elements that blocks may leave to be added up, unless the device would not be filled
FILLED = 256  # blocks that have something to do on any device
FEW_PARTIALS = 2048  # that the last block adds up in no time: more of them take a kernel of their own
SHARES = (8, 32, 1)  # threads that reduce an axis in the middle: results beside each other, and shares of each

Three = tuple[int, int, int]
LATER = {(Reduce, "COLUMN"): {"target": "SCALAR"}, (Compute, IN_ROW): {"where": AFTER, "level": 0}}


@dataclass(frozen=True)
class Launch:
    """A grid of blocks, and bytes: of shared memory, of scratch rows beyond it, of partial sums; and counters."""

    grid: Three
    block: Three
    shared: int = 0
    scratch: int = 0
    partials: int = 0
    counters: int = 0

    @property
    def threads(self) -> int:
        return prod(self.grid) * prod(self.block)


def is_team(loop: Loop) -> bool:
    """Whether teams of threads take whole rows: for what reduces along a row, and for results that a row has one of."""
    return any(s.target == "COLUMN" for s in reductions(loop)) or any(a.kind == "COLUMN" for a in loop.stores)


def reductions(loop: Loop) -> list[Reduce]:
    return [s for s in loop.steps if isinstance(s, Reduce)]


def row_sums(loop: Loop) -> list[Reduce]:
    """Sums over the rows, one a column."""
    return [s for s in reductions(loop) if s.target == "ROW"]


def totals(loop: Loop) -> list[Reduce]:
    return [s for s in reductions(loop) if s.target == "SCALAR"]


def has_end(loop: Loop) -> bool:
    """Whether something is to be done once all blocks are through: sums, and scalars that others may still read."""
    return bool(row_sums(loop) or totals(loop) or any(a.kind == "SCALAR" for a in loop.stores))


def team_size(columns: int) -> int:
    """The threads that share a row."""
    return BLOCK if columns > WIDEST_WARP_ROW else min(32, power_of_two(columns))


def power_of_two(n: int) -> int:
    """The smallest that is not below n."""
    return 1 << max(0, n - 1).bit_length()


def team_bytes(loop: Loop, columns: int) -> int:
    """Of one team's rows of scratch: values kept from pass to pass, and the sums over its rows."""
    sizes = [np.dtype(loop.arrays[a.array].dtype).itemsize for a in loop.spills]
    sizes += [np.dtype(s.dtype).itemsize for s in row_sums(loop)]
    return padded(columns) * sum(sizes)


def scratch_on_chip(loop: Loop, columns: int) -> bool:
    """Whether the rows of scratch of a block's teams fit into its shared memory."""
    return team_bytes(loop, columns) * (BLOCK // team_size(columns)) <= ON_CHIP


def padded(columns: int) -> int:
    """Elements of a row of scratch: a multiple of eight, so that rows of any dtype begin aligned."""
    return -(-columns // 8) * 8


def passed(kernel: Kernel) -> list[int]:
    """The numbers of the arrays that a kernel gets: rows of scratch are the launch's own."""
    if not isinstance(kernel, Loop):
        return list(range(len(kernel.arrays)))
    kept = {a.array for a in kernel.spills} - {a.array for a in (*kernel.loads, *kernel.stores)}
    return [k for k in range(len(kernel.arrays)) if k not in kept]


def flattened(kernel: Kernel, extents: tuple[int, ...]) -> tuple[int, ...]:
    """The extents of a kernel's loops: one row where nothing tells rows from columns."""
    if not isinstance(kernel, Loop) or reductions(kernel) or _tells_rows(kernel):
        return extents
    return 1, prod(extents)


def _tells_rows(loop: Loop) -> bool:
    """Whether something in a loop depends on where a row begins."""
    kinds = {a.kind for a in (*loop.loads, *loop.stores)}
    steps = (s for s in loop.steps if isinstance(s, Compute))
    return bool(kinds & {"ROW", "COLUMN"}) or any(s.expression == COLUMN or s.where == IN_ROW for s in steps)


def spread(kernel: Kernel, extents: tuple[int, ...]) -> Kernel:
    """The same kernel, or one by which many blocks reduce what is a single row.

    What the row reduces to is then a total over the grid, and what follows from it is computed after all blocks.
    """
    if not isinstance(kernel, Loop) or extents[0] != 1 or not _reduces_once(kernel):
        return kernel
    steps = (replace(s, **LATER.get((type(s), getattr(s, "target", s.where)), {})) for s in kernel.steps)
    stores = (replace(a, kind="SCALAR") if a.kind == "COLUMN" else a for a in kernel.stores)
    return replace(kernel, steps=tuple(steps), stores=tuple(stores))


def _reduces_once(loop: Loop) -> bool:
    """Whether each element is met once, on the way to what the row reduces to, and nothing but that follows."""
    before = any(s.where == IN_ROW and s.level == 0 for s in loop.steps) or any(a.kind == "COLUMN" for a in loop.loads)
    again = any(s.where == INNER and s.level for s in loop.steps) or any(s.where == IN_ROW for s in reductions(loop))
    return not before and not again and not row_sums(loop)


def is_flat(loop: Loop, rows: int) -> bool:
    """Whether elements follow each other in one row, in all arrays alike."""
    full = any(a.kind == "FULL" for a in (*loop.loads, *loop.stores))
    return rows == 1 and full and not row_sums(loop) and not _tells_rows(loop)


def launch(kernel: Kernel, extents: tuple[int, ...], views: list[tuple[int, ...]]) -> Launch:
    """Of a kernel whose options begin with these extents, on operands of these shapes."""
    if isinstance(kernel, Written):
        shape = WRITTEN.get(kernel.function)
        return shape(*views) if shape else _one_an_element(views[-1])
    if isinstance(kernel, Nest):
        return _one_an_element(extents)
    return _team(kernel, *extents) if is_team(kernel) else _tile(kernel, *extents)


def _one_an_element(shape) -> Launch:
    return Launch((_blocks(prod(shape), BLOCK), 1, 1), (BLOCK, 1, 1))


def _blocks(n: int, each: int, most: int = MOST_BLOCKS) -> int:
    return max(1, min(most, -(-n // each)))


def _team(loop: Loop, rows: int, columns: int) -> Launch:
    teams = BLOCK // team_size(columns)
    most = min(MOST_BLOCKS, max(FILLED, MOST_PARTIALS // columns)) if has_end(loop) else MOST_BLOCKS
    blocks = _blocks(rows, teams, most)
    need, on_chip = team_bytes(loop, columns) * teams, scratch_on_chip(loop, columns)
    return Launch(
        (blocks, 1, 1),
        (BLOCK, 1, 1),
        shared=need if on_chip else 0,
        scratch=0 if on_chip else need * blocks,
        partials=_partials(loop, blocks, columns, blocks),
        counters=2,
    )


def sums_apart(loop: Loop, rows: int, columns: int) -> int:
    """The number of blocks whose sums over their rows a kernel of its own adds up; 0 if the last of them does."""
    if not is_team(loop) or not row_sums(loop):
        return 0
    blocks = _team(loop, rows, columns).grid[0]
    return blocks if blocks * power_of_two(columns) > FEW_PARTIALS else 0


def _partials(loop, splits, columns, blocks) -> int:
    return 8 * (len(row_sums(loop)) * splits * columns + len(totals(loop)) * blocks)


def _tile(loop: Loop, rows: int, columns: int) -> Launch:
    if not any(a.kind in ("FULL", "ROW", "COLUMN") for a in (*loop.loads, *loop.stores)) and rows * columns == 1:
        return Launch((1, 1, 1), (1, 1, 1), counters=1)
    if row_sums(loop):
        return _tile_of_sums(loop, rows, columns)
    flat = is_flat(loop, rows)
    x = BLOCK if flat else min(BLOCK, power_of_two(columns))
    across = _blocks(columns, x * (AT_ONCE if flat else 1))
    down = _blocks(rows, BLOCK // x, max(1, MOST_BLOCKS // across))
    return Launch(
        (across, down, 1), (x, BLOCK // x, 1), partials=_partials(loop, 0, 0, across * down), counters=1 + across
    )


def _tile_of_sums(loop, rows, columns) -> Launch:
    """A thread has one column, so that its sum stays in a register."""
    x = min(32, power_of_two(columns))
    across = -(-columns // x)
    down = _blocks(rows, BLOCK // x * ROWS_A_THREAD, MOST_SPLITS)
    partials = _partials(loop, down, columns, across * down)
    return Launch((across, down, 1), (x, BLOCK // x, 1), partials=partials, counters=1 + across)


def _tiles(x, y) -> Launch:
    """Eight warps for each tile of 32 by 32 of a number of matrices."""
    matrices, rows, columns = y
    return Launch((_blocks(matrices * -(-rows // 32) * -(-columns // 32), 1), 1, 1), (32, 8, 1))


def _a_thread_two_columns(*views) -> Launch:
    rows, columns = views[-1]
    return _one_an_element((rows, -(-columns // 2)))


def _a_warp_a_row(*views) -> Launch:
    """Of all dimensions of the result but the last."""
    return _one_an_element((*views[-1][:-1], 32))


def _packs(source, index, out) -> Launch:
    """A thread for as many neighbours of a row as it reads together, if rows consist of such."""
    rows, columns = out
    return _one_an_element((rows, columns if columns % AT_ONCE else columns // AT_ONCE))


def _reduced(x, y) -> Launch:
    """A thread a result, or several where there is much to reduce, and not enough results for all threads."""
    if x[1] < SHARES[1] or prod(y) >= FILLED * BLOCK:
        return _one_an_element(y)
    return Launch((_blocks(prod(y), SHARES[0]), 1, 1), SHARES)


WRITTEN = {
    "step.advance": lambda: Launch((1, 1, 1), (1, 1, 1)),
    "shaping.read_walk": _tiles,
    "gather.take_rows": _packs,
    "gather.take_sparse_rows": _a_warp_a_row,
    "gather.scatter_add": _a_warp_a_row,
    "reduce.reduce_sum": _reduced,
    "reduce.reduce_max": _reduced,
    "reduce.reduce_min": _reduced,
    "random.random_keep": lambda *views: _one_an_element((views[-1][0], -(-views[-1][1] // 8))),
    "random.random_normal": _a_thread_two_columns,
    "random.random_uniform": _a_thread_two_columns,
}
