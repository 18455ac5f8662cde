"""The CUDA C++ of kernels, from the same descriptions as the CPU's.

Regions come in two shapes. Where something reduces along a row, or has one result a row, *teams* of threads take whole
rows, in passes as on the CPU. All else is a *tile* of rows and columns, a thread an element at a time. What is known
only after the last row is computed by the block that arrives last.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gpubp.kernels.cuda import launch
from gpubp.kernels.description import (
    AFTER,
    BEFORE,
    COLUMN,
    IN_ROW,
    INNER,
    Compute,
    Kernel,
    Loop,
    Nest,
    Reduce,
    Written,
)

LIBRARY = {"float32": "f32", "float64": "f64", "bool": "b8"}
TYPE = {
    "float32": "float",
    "float64": "double",
    "bool": "bool",
    "int8": "i8",
    "int16": "short",
    "int32": "int",
    "int64": "i64",
    "uint8": "u8",
    "uint16": "u16",
    "uint32": "u32",
    "uint64": "u64",
    "bfloat16": "bf16",
    "float16": "f16",
}
HALVES = ("bfloat16", "float16")  # formats of memory: what is read of them is a float32
ELEMENT = {"SCALAR": "0", "ROW": "c", "COLUMN": "r", "FULL": "r * columns + c"}
COMBINE = {"sum": "Sum()", "max": "Max()", "min": "Min()"}


@dataclass(frozen=True)
class Text:
    """A kernel without a name: its parameters beside the context, its statements, and how many blocks a multiprocessor
    is to hold."""

    parameters: tuple[str, ...]
    body: tuple[str, ...]
    at_once: int = 2

    def named(self, name: str) -> str:
        """The source of the kernel."""
        bounds = f"__launch_bounds__({launch.BLOCK}, {self.at_once})"
        head = f'extern "C" __global__ void {bounds} {name}({", ".join(["i64* ctx", *self.parameters])}) {{'
        return "\n".join([head, *(f"  {line}" for line in self.body), "}", ""])


def text(kernel: Kernel, extents: tuple[int, ...], moving: tuple[bool, ...]) -> Text:
    """The text of a kernel for these extents; `moving` tells which arrays lie in segments of the caller."""
    if isinstance(kernel, Written):
        return _wrapper(kernel, moving)
    if isinstance(kernel, Nest):
        return _nest(kernel, moving)
    shape = _Team if launch.is_team(kernel) else _Tile
    return shape(kernel, extents, moving).text()


def entry(parameters, body, at_once=2) -> Text:
    """The text of a kernel that does nothing once the word `stop` of the context tells of a failure."""
    return Text(("i64 stop", "i64 row", *parameters), ("if (ctx[stop] != OK) return;", *body), at_once)


def one_after_the_other(texts: Sequence[Text]) -> Text:
    """One kernel whose threads do what those of each text do, with the parameters of all."""
    parameters, body = [], []
    for k, each in enumerate(texts):
        own = [f"{p}_{k}" for p in each.parameters]
        body += [f"[&]({', '.join(each.parameters)}) {{", *(f"  {line}" for line in each.body)]
        body.append(f"}}({', '.join(p.split()[-1] for p in own)});")
        parameters += own
    return Text(tuple(parameters), tuple(body), max(each.at_once for each in texts))


def parameters_of(arrays, moving, wanted=None):
    """Parameters of the arrays, and the lines that find those that move."""
    parameters, lines = [], []
    for k, (array, moves) in enumerate(zip(arrays, moving, strict=True)):
        if wanted is not None and k not in wanted:
            continue
        of = TYPE[array.dtype]
        if moves:
            parameters += [f"i64 slot{k}", f"i64 offset{k}"]
            lines.append(f"{of}* a{k} = in_segment<{of}>(ctx, slot{k}, offset{k});")
        else:
            parameters.append(f"{of}* a{k}")
    return parameters, lines


def _wrapper(kernel: Written, moving) -> Text:
    """Finds the arrays and calls the function of the package."""
    parameters, lines = parameters_of(kernel.arrays, moving)
    for k, array in enumerate(kernel.arrays):
        dims = [f"n{k}_{d}" for d in range(array.rank)]
        parameters += [f"i64 {d}" for d in dims]
        if array.open:
            row = " * ".join([f"sizeof({TYPE[array.dtype]})", *dims[1:]])
            lines.append(f"{dims[0]} = ctx[slot{k} + 1] / i64({row});")
        lines.append(f"Array<{TYPE[array.dtype]}, {array.rank}> x{k} = {{a{k}, {{{', '.join(dims)}}}}};")
    options = [f"option{k}" for k in range(kernel.options)]
    arguments = ", ".join(["ctx", "row", *(f"x{k}" for k in range(len(kernel.arrays))), *options])
    lines.append(f"{kernel.function.split('.')[1]}({arguments});")
    return entry([*parameters, *(f"i64 {o}" for o in options)], lines)


def _nest(kernel: Nest, moving) -> Text:
    """One thread an element of the result; indices along its dimensions are taken out of its number."""
    parameters, lines = parameters_of(kernel.arrays, moving)
    rank, out = kernel.arrays[-1].rank, len(kernel.arrays) - 1
    extents = [f"n{d}" for d in range(rank)]
    lines += [f"const i64 count = {' * '.join(extents)};"]
    lines += ["for (i64 i = thread_number(); i < count; i += thread_count()) {", "  i64 rest = i;"]
    for d in reversed(range(rank)):
        lines.append(f"  const i64 i{d} = rest % n{d}; rest /= n{d};")
    values = [f"a{k}[{_offset(varies)}]" for k, varies in enumerate(kernel.loads)]
    lines += [f"  a{out}[i] = {_call(kernel.expression, values, kernel.dtype)};", "}"]
    return entry([*parameters, *(f"i64 {n}" for n in extents)], lines)


def _offset(varies) -> str:
    found = "0"
    for d, here in enumerate(varies):
        if here:
            found = f"({found}) * n{d} + i{d}"
    return found


def _call(expression, inputs, dtype) -> str:
    """An op's expression with its inputs put in: a template, or a function of the dtype's library."""
    if "{" in expression:
        return expression.format(*inputs)
    return f"{LIBRARY.get(dtype, 'ints')}::{expression}({', '.join(inputs)})"


def sum_type(dtype) -> str:
    """In which type reductions along a row go on."""
    return TYPE[dtype] if dtype in LIBRARY else "i64"


def start(s: Reduce) -> str:
    if s.op == "sum":
        return "0"
    if s.dtype == "bool":
        return "false" if s.op == "max" else "true"
    if s.dtype in LIBRARY:
        return f"{'-' if s.op == 'max' else ''}{LIBRARY[s.dtype]}::infinity()"
    return "i64(1ull << 63)" if s.op == "max" else "i64(~(1ull << 63))"


def total_type(s: Reduce) -> str:
    """Totals over all rows are added up in float64."""
    return "double" if s.op == "sum" and "float" in s.dtype else sum_type(s.dtype)


class LoopText:
    """What all shapes of a region share: statements for loads, steps and stores, and the end."""

    def __init__(self, loop: Loop, extents, moving):
        self.loop, self.moving = loop, moving
        self.rows, self.columns = extents
        self.computes = [s for s in loop.steps if isinstance(s, Compute)]
        self.reductions = launch.reductions(loop)
        self.row_sums, self.totals = launch.row_sums(loop), launch.totals(loop)
        self.numbers = {s.value for s in self.computes if s.expression == COLUMN and s.where == INNER}
        self.home = {a.value: f"a{a.array}[{ELEMENT[a.kind]}]" for a in (*loop.loads, *loop.stores)}
        self.home |= {a.value: f"s{a.value}[c]" for a in loop.spills}
        self.within = {a.value for a in (*loop.loads, *loop.stores, *loop.spills) if a.kind in ("FULL", "ROW")}
        self.short = {a.value for a in (*loop.loads, *loop.stores) if loop.arrays[a.array].dtype in HALVES}

    def text(self) -> Text:
        parameters, lines = parameters_of(self.loop.arrays, self.moving, launch.passed(self.loop))
        parameters += ["i64 n_rows", "i64 n_columns", "u8* scratch", "u8* partials", "u32* counters"]
        index = "int" if self.rows * self.columns < 1 << 30 else "i64"
        lines += [f"typedef {index} index;", "const index rows = n_rows, columns = n_columns;"]
        lines += self.loads("SCALAR") + self.steps(BEFORE)
        lines += [f"{total_type(s)} t{s.value} = {start(s)};" for s in self.totals]
        return entry(parameters, lines + self.body())

    def body(self) -> list[str]:
        raise NotImplementedError

    def loads(self, kind):
        """Of values that are known before the columns are walked along."""
        loads = [a for a in self.loop.loads if a.kind == kind]
        return [f"const {self._type(a)} v{a.value} = {self.home[a.value]};" for a in loads]

    def _type(self, access):
        return "float" if access.value in self.short else TYPE[self.loop.arrays[access.array].dtype]

    def steps(self, where, level=None):
        chosen = (s for s in self.computes if s.where == where and level in (None, s.level))
        return [f"const auto v{s.value} = {self._computed(s)};" for s in chosen]

    def _computed(self, s):
        if s.expression == COLUMN:
            return f"i64({ {INNER: 'c', IN_ROW: 'r'}.get(s.where, '0') })"
        return _call(s.expression, [f"v{x}" for x in s.inputs], s.dtype)

    def element(self, level):
        """One element in one pass: what it reads, computes, adds up and keeps."""
        computes = [s for s in self.computes if s.where == INNER and s.level == level]
        reductions = [s for s in self.reductions if s.where == INNER and s.level == level]
        made = {s.value for s in computes}
        read = dict.fromkeys([*(x for s in computes for x in s.inputs), *(s.input for s in reductions)])
        return [
            *(self._fetch(x) for x in read if x not in made and (x in self.numbers or x in self.within)),
            *self.steps(INNER, level),
            *(self._update(s) for s in reductions),
            *(f"{self.home[x]} = v{x};" for x in made if x in self.within),
        ]

    def _fetch(self, x):
        of = "float" if x in self.short else "auto"
        return f"const {of} v{x} = {'i64(c)' if x in self.numbers else self.home[x]};"

    def _update(self, s):
        if s.target == "SCALAR":
            return f"t{s.value} = {COMBINE[s.op]}(t{s.value}, {total_type(s)}(v{s.input}));"
        if s.target == "ROW":
            return f"{self.row_sum(s)} += v{s.input};"
        return f"v{s.value} = {COMBINE[s.op]}(v{s.value}, {sum_type(s.dtype)}(v{s.input}));"

    def row_sum(self, s) -> str:
        raise NotImplementedError

    def out(self, s) -> str:
        """The array that a sum over the rows goes to."""
        return next(f"a{a.array}" for a in self.loop.stores if a.value == s.value)

    def end(self, splits: str):
        """What the last block does with the totals of all: scalar steps and stores, by one thread."""
        scalars = [a for a in self.loop.stores if a.kind == "SCALAR"]
        if not self.totals and not scalars:
            return []
        blocks = "int(gridDim.x * gridDim.y)"
        lines = [f"const int blocks = {blocks}, block = blockIdx.y * gridDim.x + blockIdx.x;"]
        for k, s in enumerate(self.totals):
            of, offset = total_type(s), f"8 * ({len(self.row_sums)} * i64({splits}) * columns + {k} * i64(blocks))"
            lines.append(f"{of}* p{s.value} = reinterpret_cast<{of}*>(partials + {offset});")
            lines.append(f"t{s.value} = block_reduce(t{s.value}, {COMBINE[s.op]});")
            lines.append(f"if (thread_in_block() == 0) p{s.value}[block] = t{s.value};")
        lines.append("if (last_to_arrive(counters, blocks)) {")
        for s in self.totals:
            lines += [
                f"  t{s.value} = {start(s)};",
                "  for (int k = thread_in_block(); k < blocks; k += BLOCK)",
                f"    t{s.value} = {COMBINE[s.op]}(t{s.value}, p{s.value}[k]);",
                f"  t{s.value} = block_reduce(t{s.value}, {COMBINE[s.op]});",
            ]
        return [*lines, *(f"  {line}" for line in self.at_last(scalars)), "}"]

    def at_last(self, scalars) -> list[str]:
        """What one thread computes and stores, when the first of its block has all totals."""
        lines = [f"const {TYPE[s.dtype]} v{s.value} = t{s.value};" for s in self.totals]
        lines += [*self.steps(AFTER), *(f"a{a.array}[0] = v{a.value};" for a in scalars)]
        return ["if (thread_in_block() == 0) {", *(f"  {line}" for line in lines), "}"]

    def starts(self, sums) -> list[str]:
        """Reductions along a row before they have met anything."""
        return [f"{sum_type(s.dtype)} v{s.value} = {start(s)};" for s in sums]

    def combined(self, sums) -> list[str]:
        """Reductions along a row, of all threads of a team."""
        return [f"v{s.value} = team_reduce<TEAM>(v{s.value}, {COMBINE[s.op]});" for s in sums]

    def partial_sums(self, splits):
        """Where each block leaves its sums over its rows."""
        places = [(s, TYPE[s.dtype], f"8 * {k} * i64({splits}) * columns") for k, s in enumerate(self.row_sums)]
        return [f"{of}* p{s.value} = reinterpret_cast<{of}*>(partials + {at});" for s, of, at in places]


class _Team(LoopText):
    """Teams of neighbouring threads, each of which walks along a row in passes."""

    def body(self):
        size = launch.team_size(self.columns)
        lines = [
            f"constexpr int TEAM = {size}, TEAMS = BLOCK / TEAM;",
            "const int lane = threadIdx.x % TEAM, team = threadIdx.x / TEAM;",
            *self._scratch(),
            "for (index r = blockIdx.x * TEAMS + team; r < rows; r += gridDim.x * TEAMS) {",
            *(f"  {line}" for line in self.loads("COLUMN")),
        ]
        for level in sorted({s.level for s in self.loop.steps if s.where in (IN_ROW, INNER)}):
            lines += [f"  {line}" for line in self.steps(IN_ROW, level) + self._pass(level)]
        in_row = [s for s in self.totals if s.where == IN_ROW]
        stores = [a for a in self.loop.stores if a.kind == "COLUMN"]
        at_end = [self._update(s) for s in in_row]
        at_end += [f"{self.home[a.value]} = v{a.value};" for a in stores]
        if stores:
            lines.append("  team_sync<TEAM>();  // others of the team have read what is overwritten")
        if at_end:
            lines += ["  if (lane == 0) {", *(f"    {line}" for line in at_end), "  }"]
        return [*lines, "}", *self._finish_sums(), *self.end("gridDim.x")]

    def _scratch(self):
        """Rows of scratch: this team's of the values kept from pass to pass, and of its sums over the rows."""
        rows = [(a.value, TYPE[self.loop.arrays[a.array].dtype]) for a in self.loop.spills]
        rows += [(s.value, TYPE[s.dtype]) for s in self.row_sums]
        if not rows:
            return []
        sizes = " + ".join(f"sizeof({of})" for _, of in rows)
        on_chip = launch.scratch_on_chip(self.loop, self.columns)
        lines = [
            "const i64 width = (columns + 7) / 8 * 8;",
            f"const i64 team_bytes = width * i64({sizes});",
            "DYNAMIC_SHARED(kept);" if on_chip else "u8* const kept = scratch + blockIdx.x * TEAMS * team_bytes;",
            "u8* mine = kept + team * team_bytes;",
        ]
        for value, of in rows:
            lines.append(f"{of}* s{value} = reinterpret_cast<{of}*>(mine); mine += width * sizeof({of});")
        for s in self.row_sums:
            lines.append(f"for (index c = lane; c < columns; c += TEAM) s{s.value}[c] = 0;")
        return lines

    def row_sum(self, s):
        return f"s{s.value}[c]"

    def _pass(self, level):
        """One walk along the row."""
        element = self.element(level)
        if not element:
            return []
        own = [s for s in self.reductions if s.where == INNER and s.level == level and s.target == "COLUMN"]
        return [
            *self.starts(own),
            "for (index c = lane; c < columns; c += TEAM) {",
            *(f"  {line}" for line in element),
            "}",
            *self.combined(own),
        ]

    def _finish_sums(self):
        """Sums over the rows: of the teams of a block, then of all blocks, by the last one or a kernel of its own."""
        if not self.row_sums:
            return []
        lines = [*self.partial_sums("gridDim.x"), "__syncthreads();"]
        lines += ["for (index c = threadIdx.x; c < columns; c += BLOCK) {"]
        for s in self.row_sums:
            of = TYPE[s.dtype]
            row = f"reinterpret_cast<{of}*>(reinterpret_cast<u8*>(s{s.value}) + (k - team) * team_bytes)"
            lines.append(f"  {of} sum{s.value} = 0;")
            lines.append(f"  for (int k = 0; k < TEAMS; k++) sum{s.value} += {row}[c];")
            lines.append(f"  p{s.value}[i64(blockIdx.x) * columns + c] = sum{s.value};")
        lines.append("}")
        if launch.sums_apart(self.loop, self.rows, self.columns):
            return lines
        across = min(launch.BLOCK, launch.power_of_two(self.columns))
        lines.append("if (last_to_arrive(counters + 1, gridDim.x)) {")
        lines += [f"  sum_rows<{across}>(p{s.value}, gridDim.x, columns, {self.out(s)});" for s in self.row_sums]
        return [*lines, "}"]


class _Tile(LoopText):
    """A grid over rows and columns. With sums over the rows, each thread keeps to one column."""

    def body(self):
        first = "index c = blockIdx.x * blockDim.x + threadIdx.x"
        if launch.is_flat(self.loop, self.rows) and not any(self.moving):
            return self._flat() + self.end("gridDim.y")
        if self.row_sums:
            sums = [f"{TYPE[s.dtype]} r{s.value} = 0;" for s in self.row_sums]
            lines = [f"const {first};", *sums, "if (c < columns) {", *(f"  {line}" for line in self._down()), "}"]
        else:
            walk = f"for ({first}; c < columns; c += gridDim.x * blockDim.x) {{"
            down = "for (index r = blockIdx.y * blockDim.y + threadIdx.y; r < rows; r += gridDim.y * blockDim.y) {"
            lines = [walk, f"  {down}", *(f"    {line}" for line in self._row()), "  }", "}"]
        return lines + self._finish_sums() + self.end("gridDim.y")

    def _row(self) -> list[str]:
        """What a thread does in one row."""
        in_row = [f"if (c == 0) {self._update(s)}" for s in self.totals if s.where == IN_ROW]
        return [*self.loads("COLUMN"), *self.steps(IN_ROW), *in_row, *self.element(0)]

    def _down(self) -> list[str]:
        """A column, several rows at a time: all are read before one is written, so that no read waits for another."""
        arrays, loaded, stored = self._full("[k]")
        each = [
            "#pragma unroll",
            f"for (int k = 0; k < {launch.AT_ONCE}; k++) {{",
            "  const index r = first + k * stride;",
            "  if (r >= rows) break;",
        ]
        read = [f"  q{k}[k] = a{k}[{ELEMENT['FULL']}];" for k in loaded]
        write = [f"  a{k}[{ELEMENT['FULL']}] = q{k}[k];" for k in stored]
        lines = [f"{of} q{k}[{launch.AT_ONCE}];" for k, of in arrays.items()]
        for what in (read, [f"  {line}" for line in self._row()], write):
            lines += [*each, *what, "}"] if what else []
        start = "index first = blockIdx.y * blockDim.y + threadIdx.y"
        return [
            "const index stride = gridDim.y * blockDim.y;",
            f"for ({start}; first < rows; first += {launch.AT_ONCE} * stride) {{",
            *(f"  {line}" for line in lines),
            "}",
        ]

    def _full(self, at: str):
        """The arrays with an element a row and column, with their types, those of them that are read, and written.

        From now on their values are in registers, by the name of the array and `at`.
        """
        loads, stores = ([a for a in ends if a.kind == "FULL"] for ends in (self.loop.loads, self.loop.stores))
        arrays = {a.array: TYPE[self.loop.arrays[a.array].dtype] for a in (*loads, *stores)}
        self.home |= {a.value: f"q{a.array}{at}" for a in (*loads, *stores)}
        return arrays, list(dict.fromkeys(a.array for a in loads)), list(dict.fromkeys(a.array for a in stores))

    def _flat(self):
        """Several elements at a time, by accesses of up to 16 bytes; what is left over one by one."""
        one_by_one = [f"    {line}" for line in self.element(0)]
        arrays, loaded, stored = self._full(".of[k]")
        at_once = launch.AT_ONCE
        return [
            "const index r = 0;",
            f"const index stride = {at_once} * gridDim.x * blockDim.x;",
            f"for (index c = {at_once} * (blockIdx.x * blockDim.x + threadIdx.x); c < columns; c += stride) {{",
            f"  if (c + {at_once} <= columns) {{",
            *(f"    Pack<{of}, {at_once}> q{k};" for k, of in arrays.items()),
            *(f"    q{k} = load<{at_once}>(a{k} + c);" for k in loaded),
            "#pragma unroll",
            f"    for (int k = 0; k < {at_once}; k++) {{",
            *(f"      {line}" for line in self.element(0)),
            "    }",
            *(f"    store(a{k} + c, q{k});" for k in stored),
            "    continue;",
            "  }",
            "  for (; c < columns; c++) {",
            *one_by_one,
            "  }",
            "}",
        ]

    def row_sum(self, s):
        return f"r{s.value}"

    def _finish_sums(self):
        """Sums over the rows: of the threads of a column in a block, then, by the last block of the column, of all."""
        if not self.row_sums:
            return []
        lines = self.partial_sums("gridDim.y")
        for s in self.row_sums:
            lines.append(f"r{s.value} = column_sum(r{s.value});")
        lines.append("if (c < columns && threadIdx.y == 0) {")
        lines += [f"  p{s.value}[i64(blockIdx.y) * columns + c] = r{s.value};" for s in self.row_sums]
        lines += ["}", "if (last_to_arrive(counters + 1 + blockIdx.x, gridDim.y)) {"]
        for s in self.row_sums:
            lines.append(f"  r{s.value} = 0;")
            lines.append("  for (int k = threadIdx.y; k < gridDim.y && c < columns; k += blockDim.y)")
            lines.append(f"    r{s.value} += p{s.value}[i64(k) * columns + c];")
            lines.append(f"  r{s.value} = column_sum(r{s.value});")
            lines.append(f"  if (c < columns && threadIdx.y == 0) {self.out(s)}[c] = r{s.value};")
        return [*lines, "}"]
