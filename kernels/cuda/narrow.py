"""The CUDA C++ of chains: what goes through all stages on the chip, some rows at a time, and what is known at last.

A block of threads has the weights in its shared memory, the rows of one tile after the other with all that is made of
them, and the sums over its rows in the registers of its threads. It leaves these sums in memory, where a second kernel
adds up those of all blocks, always in the same order.
"""

from itertools import pairwise
from math import prod

from gpubp.kernels.cuda.generate import COMBINE, TYPE, LoopText, Text, entry, parameters_of, start, total_type
from gpubp.kernels.cuda.launch import power_of_two
from gpubp.kernels.cuda.on_chip import AT_ONCE, at_once, distance, matrix, places, room, sums, tile_rows
from gpubp.kernels.description import (
    BEFORE,
    IN_ROW,
    INNER,
    MEMORY,
    SHARED,
    TILE,
    Bring,
    Chain,
    ChainEnd,
    Gradient,
    RowLoop,
)


def text(kernel: Chain | ChainEnd, rows: int, moving: tuple[bool, ...]) -> Text:
    """The text of a kernel for batches of so many rows; `moving` tells which arrays are the caller's."""
    chain = kernel.chain if isinstance(kernel, ChainEnd) else kernel
    parameters, lines = parameters_of(chain.arrays, moving)
    lines += [f"{TYPE[a.dtype]}* const x{k} = a{k};" for k, a in enumerate(chain.arrays)]
    if isinstance(kernel, ChainEnd):
        return entry([*parameters, "i64 blocks", "u8* partials"], lines + _end(chain))
    body = _chain(chain, tile_rows(chain, rows))
    return entry([*parameters, "i64 rows", "u8* partials"], lines + body, at_once(chain, rows))


def _loops(chain) -> list["_StageText"]:
    return [_StageText(chain, number, s) for number, s in enumerate(chain.stages) if isinstance(s, RowLoop)]


def _chain(chain, rows) -> list[str]:
    lines = [f"constexpr int ROWS = {rows};  // of a tile", "DYNAMIC_SHARED(chip);", *_homes(chain)]
    for k, s in enumerate(chain.shared):
        ld = distance(chain.arrays[s.array].dtype, s.columns, s.factor)
        lines.append(f"bring<{s.columns}, {ld}>(s{k}, x{s.array}, {s.rows});")
    lines += [line for number, s in enumerate(chain.stages) for line in _sums_of(chain, number, s, rows)]
    lines += ["for (i64 first = i64(blockIdx.x) * ROWS; first < rows; first += i64(gridDim.x) * ROWS) {"]
    lines.append("  const int count = rows - first < ROWS ? int(rows - first) : ROWS;")
    lines.append("  __syncthreads();")
    for number, (s, following) in enumerate(pairwise((*chain.stages, None))):
        lines += [f"  {line}" for line in _stage(chain, number, s, rows)]
        if not (isinstance(s, Bring) and isinstance(following, Bring)):  # which have nothing to do with each other
            lines.append("  __syncthreads();")
    return [*lines, "}", *_leave(chain)]


def _homes(chain) -> list[str]:
    """Pointers to what all rows share and, behind it, to the tiles."""
    lines, begin = [], 0
    for k, s in enumerate(chain.shared):
        of = TYPE[chain.arrays[s.array].dtype]
        lines.append(f"{of}* const s{k} = reinterpret_cast<{of}*>(chip + {begin});")
        begin += room(chain, k)
    for k, t in enumerate(chain.tiles):
        of = TYPE[t.dtype]
        lines.append(f"{of}* const t{k} = reinterpret_cast<{of}*>(chip + {begin} + ROWS * {t.begin});")
    return lines


def _by_tensor_cores(rows, k, n, *factors: str) -> bool:
    """Whether tensor cores multiply such factors: those of narrower formats, of sizes that leave no rest."""
    return set(factors) == {"bfloat16"} and rows % AT_ONCE == k % 16 == n % 8 == 0


def _sums_of(chain, number, s, rows) -> list[str]:
    """What a thread holds of a stage's sums over the rows."""
    if isinstance(s, Gradient):
        k, n = matrix(chain, s)
        return [f"{'Mma' * _by_mma(chain, s, rows)}Gradient<{k}, {n}> sum{number};"]
    return _StageText(chain, number, s).sums() if isinstance(s, RowLoop) else []


def _by_mma(chain, s: Gradient, rows) -> bool:
    return _by_tensor_cores(rows, *matrix(chain, s), *(chain.tiles[k].dtype for k in (s.left, s.right)))


def _stage(chain, number, s, rows) -> list[str]:
    """What is done with one tile."""
    if isinstance(s, RowLoop):
        return _StageText(chain, number, s).body()
    if isinstance(s, Bring):
        return [_bring(chain, s)]
    left = chain.tiles[s.left]
    if isinstance(s, Gradient):
        ends = {f"t{k}": _ld(chain.tiles[k]) for k in (s.left, s.right)}
        calls = " ".join(f"clear<{ld}>({tile}, count);" for tile, ld in ends.items())
        cleared = [f"if (count % 16) {{ {calls} __syncthreads(); }}"]
        add = f"sum{number}.add<{_ld(left)}, {_ld(chain.tiles[s.right])}>(t{s.left}, t{s.right}, count);"
        return [*(cleared if _by_mma(chain, s, rows) else []), add]
    out, right = chain.tiles[s.out], chain.shared[s.right]
    dtype = chain.arrays[right.array].dtype
    ldb = distance(dtype, right.columns, factor=True)
    mma = "mma_" * _by_tensor_cores(rows, left.columns, out.columns, left.dtype, dtype)
    extents = f"ROWS, {out.columns}, {left.columns}, {str(s.turned).lower()}, {_ld(left)}, {ldb}, {_ld(out)}"
    return [f"{mma}product<{extents}>(t{s.left}, s{s.right}, t{s.out});"]


def _bring(chain, s: Bring) -> str:
    tile = chain.tiles[s.tile]
    extents = f"{tile.columns}, {_ld(tile)}"
    if s.numbers is None:
        return f"bring<{extents}>(t{s.tile}, x{s.array} + first * {tile.columns}, count);"
    length = f"ctx[slot{s.array} + 1] / i64({tile.columns} * sizeof(*x{s.array}))"
    return f"pick<{extents}>(ctx, row, t{s.tile}, x{s.array}, {length}, x{s.numbers} + first, count);"


def _ld(tile) -> int:
    return distance(tile.dtype, tile.columns)


def _leave(chain) -> list[str]:
    """What a block has added up goes to memory."""
    lines = [f"float* mine = reinterpret_cast<float*>(partials) + i64(blockIdx.x) * {sums(chain)};"]
    for number, s in enumerate(chain.stages):
        if isinstance(s, Gradient):
            lines += [f"sum{number}.store(mine);", f"mine += {prod(matrix(chain, s))};"]
        if isinstance(s, RowLoop):
            lines += _StageText(chain, number, s).leave_row_sums()
    return [*lines, *_totals_begin(chain, "gridDim.x"), *(x for s in _loops(chain) for x in s.leave_totals())]


def _totals_begin(chain, blocks) -> list[str]:
    return [f"u8* totals = partials + (4 * i64({sums(chain)}) * {blocks} + 7) / 8 * 8;"]


def _end(chain) -> list[str]:
    """Most blocks add up the sums that are arrays, a column of threads an element; the last one does the rest."""
    lines = [
        f"constexpr int SUMS = {sums(chain)};",
        "if (blockIdx.x + 1 < gridDim.x) {",
        "  const int at = blockIdx.x * blockDim.x + threadIdx.x;",
        "  float sum = 0;",
        "  for (i64 k = threadIdx.y; k < blocks && at < SUMS; k += blockDim.y)",
        "    sum += reinterpret_cast<const float*>(partials)[k * SUMS + at];",
        "  sum = column_sum(sum);",
        "  if (threadIdx.y) return;",
    ]
    begin = 0
    for array, n in places(chain):
        lines.append(f"  if (at >= {begin} && at < {begin + n}) x{array}[at - {begin}] = sum;")
        begin += n
    lines += ["  return;", "}", *_totals_begin(chain, "blocks")]
    return [*lines, *(line for stage in _loops(chain) for line in stage.end_of_chain())]


class _StageText(LoopText):
    """A region as a stage: teams of threads take the rows of a tile, each thread the same columns in all passes.

    So what one pass keeps for the next stays in registers, and so do sums over the rows.
    """

    def __init__(self, chain: Chain, number: int, stage: RowLoop):
        super().__init__(stage.loop, (0, stage.columns), ())
        self.chain, self.number, self.homes = chain, number, stage.homes
        self.team = min(32, power_of_two(stage.columns))
        self.each = -(-stage.columns // self.team)
        self.home = {a.value: f"a{a.array}[{self._element(a)}]" for a in (*self.loop.loads, *self.loop.stores)}
        self.home |= {a.value: f"k{a.value}[j]" for a in self.loop.spills}

    def _element(self, access) -> str:
        kind, number = self.homes[access.array]
        if kind == TILE:
            row = f"line * {_ld(self.chain.tiles[number])}"
            return {"FULL": f"{row} + c", "COLUMN": row}[access.kind]
        return {"SCALAR": "0", "ROW": "c", "COLUMN": "first + line", "FULL": f"(first + line) * {self.columns} + c"}[
            access.kind
        ]

    def _aliases(self, kinds) -> list[str]:
        """Its arrays by its own names."""
        names = {MEMORY: "x", TILE: "t", SHARED: "s"}
        homes = [(k, home) for k, home in enumerate(self.homes) if home[0] in kinds]
        return [f"{TYPE[self.loop.arrays[k].dtype]}* const a{k} = {names[kind]}{n};" for k, (kind, n) in homes]

    def row_sum(self, s):
        return f"r{s.value}[j]"

    def sums(self) -> list[str]:
        rows = [f"{TYPE[s.dtype]} rows{self.number}_{s.value}[{self.each}] = {{}};" for s in self.row_sums]
        return rows + [f"{total_type(s)} total{self.number}_{s.value} = {start(s)};" for s in self.totals]

    def body(self) -> list[str]:
        lines = [
            *self._aliases((MEMORY, TILE, SHARED)),
            *(f"{TYPE[s.dtype]} (&r{s.value})[{self.each}] = rows{self.number}_{s.value};" for s in self.row_sums),
            *(f"{total_type(s)}& t{s.value} = total{self.number}_{s.value};" for s in self.totals),
            f"constexpr int TEAM = {self.team}, TEAMS = BLOCK / TEAM;",
            "const int lane = threadIdx.x % TEAM, team = threadIdx.x / TEAM;",
            *self.loads("SCALAR"),
            *self.steps(BEFORE),
            "for (int line = team; line < count; line += TEAMS) {",
            *(f"  {line}" for line in self._row()),
            "}",
        ]
        return ["{", *(f"  {line}" for line in lines), "}"]

    def _row(self) -> list[str]:
        lines = [f"{TYPE[self.loop.arrays[a.array].dtype]} k{a.value}[{self.each}] = {{}};" for a in self.loop.spills]
        lines += self.loads("COLUMN")
        for level in sorted({s.level for s in self.loop.steps if s.where in (IN_ROW, INNER)}):
            lines += self.steps(IN_ROW, level) + self._pass(level)
        once = [self._update(s) for s in self.totals if s.where == IN_ROW]
        once += [f"{self.home[a.value]} = v{a.value};" for a in self.loop.stores if a.kind == "COLUMN"]
        return lines + (["if (lane == 0) {", *(f"  {line}" for line in once), "}"] if once else [])

    def _pass(self, level) -> list[str]:
        element = self.element(level)
        if not element:
            return []
        own = [s for s in self.reductions if s.where == INNER and s.level == level and s.target == "COLUMN"]
        return [
            *self.starts(own),
            "#pragma unroll",
            f"for (int j = 0; j < {self.each}; j++) {{",
            "  const int c = lane + j * TEAM;",
            f"  if (c < {self.columns}) {{",
            *(f"    {line}" for line in element),
            "  }",
            "}",
            *self.combined(own),
        ]

    def leave_row_sums(self) -> list[str]:
        lines = []
        for s in self.row_sums:
            lines.append(f"store_row_sums<{self.team}, {self.columns}>(rows{self.number}_{s.value}, mine);")
            lines.append(f"mine += {self.columns};")
        return lines

    def leave_totals(self) -> list[str]:
        lines = []
        for s in self.totals:
            of, total = total_type(s), f"total{self.number}_{s.value}"
            lines.append(f"{total} = block_reduce({total}, {COMBINE[s.op]});")
            lines.append(f"if (threadIdx.x == 0) reinterpret_cast<{of}*>(totals)[blockIdx.x] = {total};")
            lines.append("totals += 8 * i64(gridDim.x);")
        return lines

    def end_of_chain(self) -> list[str]:
        """Totals of all blocks, and what follows from them."""
        scalars = [a for a in self.loop.stores if a.kind == "SCALAR"]
        if not self.totals and not scalars:
            return []
        lines = [*self._aliases((MEMORY,)), *self.loads("SCALAR"), *self.steps(BEFORE)]
        for s in self.totals:
            of = total_type(s)
            lines += [
                f"{of} t{s.value} = {start(s)};",
                "for (i64 k = thread_in_block(); k < blocks; k += BLOCK)",
                f"  t{s.value} = {COMBINE[s.op]}(t{s.value}, reinterpret_cast<const {of}*>(totals)[k]);",
                f"t{s.value} = block_reduce(t{s.value}, {COMBINE[s.op]});",
                "totals += 8 * blocks;",
            ]
        return ["{", *(f"  {line}" for line in [*lines, *self.at_last(scalars)]), "}"]
