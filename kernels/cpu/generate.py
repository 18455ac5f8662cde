"""The source text of kernels: of the wrapper that finds the arrays, and of whole regions."""

import numpy as np

from gpubp.kernels.cpu.processor import VECTOR
from gpubp.kernels.description import AFTER, BEFORE, COLUMN, IN_ROW, INNER, Compute, Kernel, Loop, Nest, Reduce, Written

LIBRARY = {"float32": "f32", "float64": "f64", "bool": "b8"}
INDEX = {"SCALAR": "0", "ROW": "c", "COLUMN": "r", "FULL": "r, c"}
TILES = "a, lda, b, ldb, c, ldc, m, n, k, ta, tb, start, start_row, relu"
INDENT = {BEFORE: 1, IN_ROW: 2, INNER: 3, AFTER: 1}


def text(kernel: Kernel) -> str:
    """The source of a kernel."""
    if isinstance(kernel, Loop):
        return "\n".join([*_RegionText(kernel).lines(), ""])
    return _nest(kernel) if isinstance(kernel, Nest) else _wrapper(kernel)


def tiles(dtype: str) -> str:
    """The source of the function that multiplies matrices of a dtype by tiles.

    Programs find its address in their context, since many kernels share it.
    """
    lanes = VECTOR // np.dtype(dtype).itemsize
    return "\n".join(
        [
            "from gpubp.kernels.cpu.tiles import product",
            "",
            "",
            f"def kernel({TILES}):",
            f"    product(np.{dtype}, {lanes}, {TILES})",
            "",
        ]
    )


def _wrapper(kernel: Written) -> str:
    """Finds the arrays and calls the function."""
    family, name = kernel.function.split(".")
    lines, position = arrays(kernel.arrays)
    names = [f"a{k}" for k in range(len(kernel.arrays))] + [f"row[{position + k}]" for k in range(kernel.options)]
    lines.append(f"    {name}(ctx, row, {', '.join(names)})")
    return "\n".join([f"from gpubp.kernels.cpu.{family} import {name}", "", *lines, ""])


def _nest(kernel: Nest) -> str:
    """The extents follow the arrays in the row."""
    lines, position = arrays(kernel.arrays)
    extents = kernel.arrays[-1].rank
    for d in range(extents):
        lines.append(f"{'    ' * (d + 1)}for i{d} in range(row[{position + d}]):")
    indices = (", ".join(f"i{d}" if varies else "0" for d, varies in enumerate(x)) for x in kernel.loads)
    value = call(kernel.expression, [f"a{k}[{x}]" for k, x in enumerate(indices)], kernel.dtype)
    out = f"a{len(kernel.arrays) - 1}[{', '.join(f'i{d}' for d in range(extents))}]"
    return "\n".join([*lines, f"{'    ' * (extents + 1)}{out} = {value}", ""])


def arrays(arrays):
    """The head of a kernel, and where in the row its options begin."""
    lines, position = ["", "def kernel(context, where):", "    ctx, row = ints(context), ints(where)"], 2
    for k, array in enumerate(arrays):
        find = "open_operand" if array.open else "operand"
        dtype = f"np.{array.dtype}{'_' if array.dtype == 'bool' else ''}"
        lines.append(f"    a{k} = {find}(ctx, row, {position}, {dtype}, {array.rank})")
        position += 2 + array.rank
    return lines, position


def call(expression, inputs, dtype):
    """An op's expression with its inputs put in: a template, or a function of the dtype's library."""
    if "{" in expression:
        return expression.format(*inputs)
    return f"{LIBRARY.get(dtype, 'i64')}.{expression}({', '.join(inputs)})"


class _RegionText:
    """Writes the loop: scalars, then each row in passes, then what is known only after the last row."""

    def __init__(self, loop: Loop):
        self.loop = loop
        kept = (*loop.loads, *loop.stores, *loop.spills)
        self.home = {a.value: a for a in kept if a.kind in ("FULL", "ROW")}
        self.computes = [s for s in loop.steps if isinstance(s, Compute)]
        self.column = {s.value for s in self.computes if s.expression == COLUMN and s.where == INNER}
        self.reductions = [s for s in loop.steps if isinstance(s, Reduce)]
        self.totals = [s for s in self.reductions if s.target == "SCALAR"]

    def lines(self):
        lines, position = arrays(self.loop.arrays)
        lines += [f"    rows, columns = row[{position}], row[{position + 1}]"]
        lines += self._loads("SCALAR", BEFORE) + self._steps(BEFORE) + self._zeros()
        row = self._row()
        lines += ["    for r in range(rows):", *row] if row else []
        lines += [f"    v{s.value} = np.{s.dtype}(t{s.value})" for s in self.totals]
        return lines + self._steps(AFTER) + self._stores("SCALAR", AFTER)

    def _zeros(self):
        """The sums over the rows before the first. Totals are added up in float64."""
        lines = [f"    t{s.value} = np.{'float64' if 'float' in s.dtype else 'int64'}(0)" for s in self.totals]
        for s in self.reductions:
            if s.target == "ROW":
                lines += ["    for c in range(columns):", f"        a{self.home[s.value].array}[c] = 0"]
        return lines

    def _row(self):
        lines = self._loads("COLUMN", IN_ROW)
        for level in sorted({s.level for s in self.loop.steps if s.where in (IN_ROW, INNER)}):
            lines += self._steps(IN_ROW, level) + self._pass(level)
        lines += [f"        t{s.value} += v{s.input}" for s in self.totals if s.where == IN_ROW]
        return lines + self._stores("COLUMN", IN_ROW)

    def _pass(self, level):
        """One walk along the row."""
        computes = [s for s in self.computes if s.where == INNER and s.level == level]
        reductions = [s for s in self.reductions if s.where == INNER and s.level == level]
        if not computes and not reductions:
            return []
        own = [s for s in reductions if s.target != "ROW"]
        made = {s.value for s in computes}
        read = dict.fromkeys([*(x for s in computes for x in s.inputs), *(s.input for s in reductions)])
        return [
            *(f"        v{s.value} = {_start(s)}" for s in own),
            "        for c in range(columns):",
            *(self._fetch(x) for x in read if x not in made and (x in self.column or x in self.home)),
            *self._steps(INNER, level),
            *(f"            {self._update(s)}" for s in reductions),
            *(self._keep(x) for x in made if x in self.home),
            *(f"        t{s.value} += v{s.value}" for s in own if s.target == "SCALAR"),
        ]

    def _element(self, value):
        home = self.home[value]
        return f"a{home.array}[{INDEX[home.kind]}]"

    def _fetch(self, value):
        return f"            v{value} = {'c' if value in self.column else self._element(value)}"

    def _keep(self, value):
        return f"            {self._element(value)} = v{value}"

    def _update(self, s):
        if s.target == "ROW":
            return f"{self._element(s.value)} += v{s.input}"
        if s.op == "sum":
            return f"v{s.value} = added(v{s.value}, v{s.input})"
        if s.dtype == "bool":
            return f"v{s.value} {'|' if s.op == 'max' else '&'}= v{s.input}"
        return f"v{s.value} = {LIBRARY.get(s.dtype, 'i64')}.{s.op}imum(v{s.value}, v{s.input})"

    def _steps(self, where, level=None):
        steps = (s for s in self.computes if s.where == where and level in (None, s.level))
        return [f"{'    ' * INDENT[where]}v{s.value} = {self._computed(s)}" for s in steps]

    def _computed(self, s):
        if s.expression == COLUMN:
            return {INNER: "c", IN_ROW: "r"}.get(s.where, "0")  # numbers of rows where it stands upright
        return call(s.expression, [f"v{x}" for x in s.inputs], s.dtype)

    def _loads(self, kind, where):
        loads = (a for a in self.loop.loads if a.kind == kind)
        return [f"{'    ' * INDENT[where]}v{a.value} = a{a.array}[{INDEX[kind]}]" for a in loads]

    def _stores(self, kind, where):
        stores = (a for a in self.loop.stores if a.kind == kind)
        return [f"{'    ' * INDENT[where]}a{a.array}[{INDEX[kind]}] = v{a.value}" for a in stores]


def _start(s: Reduce):
    """What a reduction along the row begins with."""
    if s.op == "sum":
        return f"np.{s.dtype}(0)"
    if s.dtype == "bool":
        return str(s.op == "min")
    if "float" in s.dtype:
        return f"np.{s.dtype}({'-' if s.op == 'max' else ''}np.inf)"
    return f"np.{s.dtype}(np.iinfo(np.{s.dtype}).{'min' if s.op == 'max' else 'max'})"
