"""The source text of regions with few columns: written out column by column, so that rows are what vectors hold.

A loop over ten columns is too short for vector instructions, and each row would pay for setting it up. Here the only
loop is that over the rows, and what is a pass along the row elsewhere is a line for each column.
"""

from gpubp.kernels.cpu import generate
from gpubp.kernels.description import AFTER, BEFORE, COLUMN, IN_ROW, INNER, Compute, Loop, Reduce

WIDEST = 16  # columns
LONGEST = 360  # lines: what is longer takes seconds to compile
CHECK, CLAMP = "checked_index(ctx, row, ", "clamped_index("


def suits(loop: Loop, columns: int) -> bool:
    """Whether this is the way to write a region of so many columns."""
    inner = any(s.where == INNER for s in loop.steps)
    lines = sum(columns if s.where == INNER else 1 for s in loop.steps)
    if not inner or not 1 < columns <= WIDEST or lines > LONGEST:
        return False
    checks = [s for s in loop.steps if isinstance(s, Compute) and "ctx" in s.expression and s.where != AFTER]
    if any(not s.expression.startswith(CHECK) or s.where == INNER for s in checks):
        return False
    closure = _needed(loop, checks)
    return all(isinstance(s, Compute) and s.where in (BEFORE, IN_ROW) for s in closure) and not any(
        isinstance(s, Reduce) and s.dtype == "bool" for s in loop.steps
    )


def text(loop: Loop, columns: int) -> str:
    """The source of the kernel. Its row is that of the region's other kernel."""
    return "\n".join([*_NarrowText(loop, columns).lines(), ""])


def _needed(loop: Loop, steps) -> list:
    """The steps that these depend on, themselves included, in order."""
    wanted = {s.value for s in steps}
    for s in reversed(loop.steps):
        if s.value in wanted:
            wanted |= set(s.inputs if isinstance(s, Compute) else (s.input,))
    return [s for s in loop.steps if s.value in wanted]


class _NarrowText:
    """Values that vary with the column have a name a column: v7_0, v7_1, ..."""

    def __init__(self, loop: Loop, columns: int):
        self.loop, self.columns = loop, columns
        kept = (*loop.loads, *loop.stores)
        self.wide = {a.value for a in kept if a.kind in ("FULL", "ROW")}
        self.wide |= {s.value for s in loop.steps if isinstance(s, Compute) and s.where == INNER}
        reductions = [s for s in loop.steps if isinstance(s, Reduce)]
        self.totals = [s for s in reductions if s.target == "SCALAR"]
        self.row_sums = [s for s in reductions if s.target == "ROW"]

    def lines(self):
        return [
            *self._head(),
            *self._loads("SCALAR", 1),
            *self._steps(BEFORE, 1),
            *self._loads("ROW", 1),
            *self._zeros(),
            *self._checks(),
            *self._rows(),
            *(f"    v{s.value} = np.{s.dtype}(t{s.value})" for s in self.totals),
            *self._steps(AFTER, 1),
            *self._stores("SCALAR", 1),
            *self._row_stores(),
        ]

    def _head(self):
        """The arrays, with the number of columns written down: so the compiler knows that rows do not overlap."""
        lines, position = generate.arrays(self.loop.arrays)
        kinds = {a.array: a.kind for a in (*self.loop.loads, *self.loop.stores)}
        for k in range(len(self.loop.arrays)):
            if kinds.get(k) in ("FULL", "ROW"):
                lines.append(f"    a{k} = narrowed(a{k}, {self.columns})")
        return [*lines, f"    rows = row[{position}]"]

    def _names(self, value):
        return [f"v{value}_{c}" for c in range(self.columns)] if value in self.wide else [f"v{value}"] * self.columns

    def _element(self, access, c):
        return f"a{access.array}[{ {'SCALAR': '0', 'ROW': c, 'COLUMN': 'r', 'FULL': f'r, {c}'}[access.kind] }]"

    def _loads(self, kind, depth):
        indent, loads = "    " * depth, [a for a in self.loop.loads if a.kind == kind]
        if kind in ("SCALAR", "COLUMN"):
            return [f"{indent}v{a.value} = {self._element(a, 0)}" for a in loads]
        return [f"{indent}{n} = {self._element(a, c)}" for a in loads for c, n in enumerate(self._names(a.value))]

    def _stores(self, kind, depth):
        indent, stores = "    " * depth, [a for a in self.loop.stores if a.kind == kind]
        if kind in ("SCALAR", "COLUMN"):
            return [f"{indent}{self._element(a, 0)} = v{a.value}" for a in stores]
        return [f"{indent}{self._element(a, c)} = {n}" for a in stores for c, n in enumerate(self._names(a.value))]

    def _row_stores(self):
        """Of rows that a region makes there are sums over the rows and numbers of columns, no others."""
        sums = {s.value for s in self.row_sums}
        stores = [(a, c) for a in self.loop.stores if a.kind == "ROW" for c in range(self.columns)]
        return [f"    {self._element(a, c)} = {f't{a.value}_{c}' if a.value in sums else c}" for a, c in stores]

    def _zeros(self):
        lines = [f"    t{s.value} = np.{'float64' if 'float' in s.dtype else 'int64'}(0)" for s in self.totals]
        return lines + [f"    t{s.value}_{c} = np.{s.dtype}(0)" for s in self.row_sums for c in range(self.columns)]

    def _checks(self):
        """What may fail, in a loop of its own: one that may store a status is not vectorised."""
        checks = [s for s in self.loop.steps if isinstance(s, Compute) and "ctx" in s.expression and s.where == IN_ROW]
        steps = [s for s in _needed(self.loop, checks) if s.where == IN_ROW]
        if not checks:
            return []
        used = {x for s in steps for x in s.inputs}
        loads = [a for a in self.loop.loads if a.kind == "COLUMN" and a.value in used]
        return [
            "    for r in range(rows):",
            *(f"        v{a.value} = {self._element(a, 0)}" for a in loads),
            *(f"        v{s.value} = {self._computed(s, s.expression, 0)}" for s in steps),
        ]

    def _rows(self):
        body = [*self._loads("COLUMN", 2), *self._loads("FULL", 2)]
        for s in self.loop.steps:
            if s.where in (IN_ROW, INNER):
                body += [f"        {line}" for line in (self._step(s) if isinstance(s, Compute) else self._reduced(s))]
        body += [*self._stores("COLUMN", 2), *self._stores("FULL", 2)]
        return ["    for r in range(rows):", *body]

    def _steps(self, where, depth):
        steps = (s for s in self.loop.steps if isinstance(s, Compute) and s.where == where)
        return [f"{'    ' * depth}v{s.value} = {self._computed(s, s.expression, 0)}" for s in steps]

    def _step(self, s: Compute):
        expression = s.expression.replace(CHECK, CLAMP)
        if s.where == IN_ROW:
            return [f"v{s.value} = {self._computed(s, expression, 0)}"]
        return [f"{n} = {self._computed(s, expression, c)}" for c, n in enumerate(self._names(s.value))]

    def _computed(self, s: Compute, expression, c):
        if expression == COLUMN:
            return {INNER: f"np.int64({c})", IN_ROW: "r"}.get(s.where, "0")
        return generate.call(expression, [self._names(x)[c] for x in s.inputs], s.dtype)

    def _reduced(self, s: Reduce):
        names = self._names(s.input)
        if s.target == "ROW":
            return [f"t{s.value}_{c} = added(t{s.value}_{c}, {n})" for c, n in enumerate(names)]
        if s.where == IN_ROW:
            return [_added_up(s, s.input)]
        lines = [f"v{s.value} = {names[0]}"]
        lines += [f"v{s.value} = {_merged(s, n)}" for n in names[1:]]
        return [*lines, _added_up(s, s.value)] if s.target == "SCALAR" else lines


def _added_up(s: Reduce, value):
    wider = "float64" if "float" in s.dtype else "int64"
    return f"t{s.value} = added(t{s.value}, np.{wider}(v{value}))"


def _merged(s: Reduce, name):
    if s.op == "sum":
        return f"added(v{s.value}, {name})"
    return f"{generate.LIBRARY.get(s.dtype, 'i64')}.{s.op}imum(v{s.value}, {name})"
