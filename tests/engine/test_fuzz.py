"""Random programs: the reference, the fused and the unfused ones must leave the same bytes behind.

A recipe is a list of numbers, from which a graph is built: ops on values of many shapes over a symbolic number of
rows, gradients, and assignments of variables that cross each other. All elements are small integers, on which float
arithmetic is exact in any order, so that results are compared exactly, and comparisons and ties are decided equally.
"""

import os

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from interpreted import Interpreted

from gpubp import ops
from gpubp.backend import current_device
from gpubp.engine.autodiff import gradients
from gpubp.engine.executors.cpu import CPU
from gpubp.engine.executors.reference import Reference, Values
from gpubp.engine.plan import Layout, Operand, plan
from gpubp.engine.program import Program
from gpubp.engine.trace import Graph, needed
from gpubp.ops.reductions import reduce_max, reduce_min, reduce_sum
from gpubp.ops.shapes import B, broadcast, size

EXAMPLES = int(os.environ.get("GPUBP_FUZZ_EXAMPLES", "0"))
ROWS = (5, 1, 3)  # a full batch, a single row, a ragged tail
MOST = 2**22  # beyond, float32 integers would not be exact
COLUMNS = 3

# Variables and batches: name -> (segment, shape, dtype). The first three lie side by side, and `flat` is all of them.
SHAPES = {
    "matrix": ("params", (COLUMNS, COLUMNS), np.float64),
    "row": ("params", (COLUMNS,), np.float64),
    "other_row": ("params", (COLUMNS,), np.float64),
    "wide_row": ("state", (1, COLUMNS), np.float64),
    "number": ("state", (), np.float64),
    "other_number": ("state", (), np.float64),
    "count": ("state", (), np.int64),
    "full": ("batch", (B, COLUMNS), np.float64),
    "other_full": ("batch", (B, COLUMNS), np.float64),
    "wide_full": ("batch", (B, 2 * COLUMNS), np.float64),
    "single": ("batch", (B, COLUMNS), np.float32),
    "column": ("batch", (B, 1), np.float64),
    "vector": ("batch", (B,), np.float64),
    "labels": ("batch", (B,), np.int64),
    "cube": ("batch", (B, 2, COLUMNS), np.float64),
}

UNARY = [
    ops.negative,
    ops.abs,
    ops.relu,
    ops.square,
    ops.sign,
    lambda x: ops.maximum(x, 1),
    lambda x: 2 * x - 1,
    lambda x: ops.cast(x, np.float32),
    lambda x: ops.cast(x, np.int64),
    lambda x: ops.cast(x, bool),
    lambda x: ops.clip(x, -2, 2),
    lambda x: ops.stop_gradient(x),
    lambda x: x - ops.max(x, axis=-1, keepdims=True),
    lambda x: x * ops.sum(x, axis=-1, keepdims=True),
    lambda x: ops.where(ops.equal(x, ops.max(x, axis=-1, keepdims=True)), x, 0),
    lambda x: x + ops.sum(ops.square(x)),
    lambda x: ops.sum(ops.abs(x), axis=0) + x,
]
BINARY = [
    ops.add,
    ops.subtract,
    ops.multiply,
    ops.maximum,
    ops.minimum,
    ops.greater,
    ops.equal,
    lambda a, b: ops.where(ops.less(a, b), a, 0),
    lambda a, b: ops.where(ops.cast(a, bool), b, 1),
]


def reduced(op):
    """Along the axes that a number's bits choose."""

    def apply(x, k):
        axes = [a for a in range(x.ndim) if k >> a & 1] or None
        return op(x, axis=axes, keepdims=bool(k >> x.ndim & 1))

    return apply


def primitive(op):
    """With neighbouring axes, of which some may be 1 long."""
    return lambda x, k: op(x, axes=tuple(range(k % x.ndim, x.ndim)))


REDUCTIONS = [
    reduced(ops.sum),
    reduced(ops.max),
    reduced(ops.min),
    primitive(reduce_sum),
    primitive(reduce_max),
    primitive(reduce_min),
    lambda x, k: ops.argmax(x, axis=k % x.ndim),
    lambda x, k: x * ops.count(x),
]


def rows_apart(x):
    """(B, ...) as (B, all else)."""
    return ops.reshape(x, (x.dims[0], -1)) if x.ndim > 2 else ops.expand_dims(x, -1)


SHAPING = [
    rows_apart,
    lambda x: ops.reshape(x, (-1,)),
    lambda x: ops.expand_dims(x, x.ndim - 1),
    lambda x: ops.transpose(x),
    lambda x: ops.reshape(x, (-1, COLUMNS)),
    lambda x: ops.broadcast_to(x, (B, COLUMNS)),
    lambda x: ops.broadcast_to(x, (B, 2, COLUMNS)),
    lambda x: x + ops.arange(COLUMNS, like=x),
    lambda x: ops.arange(COLUMNS, like=x),
    lambda x: ops.one_hot(ops.clip(ops.cast(x, np.int64), 0, 2), COLUMNS, np.float64),
]


KINDS = ("unary", "unary", "binary", "binary", "reduction", "shaping", "product", "gradient")
choice = st.integers(0, 31)
recent = st.integers(0, 3) | choice
step = st.tuples(st.sampled_from(KINDS), choice, recent, choice)
assignment = st.tuples(choice, recent)


def part(least, most):
    """Of a recipe: steps, assignments, and which of the latest values are shown."""
    shown = st.lists(st.integers(0, 7), min_size=1, max_size=4)
    return st.tuples(st.lists(step, min_size=least, max_size=most), st.lists(assignment, max_size=5), shown)


def places(layout) -> dict[str, Operand]:
    return {name: layout.add(segment, shape, dtype) for name, (segment, shape, dtype) in SHAPES.items()}


def flat(layout) -> Operand:
    """All parameters as one vector, as optimizers see them."""
    return Operand("params", 0, np.dtype(np.float64), (layout.sizes["params"] // 8,))


def compute(values, kind, k, i, j):
    """One more value from those there are; None where the op does not take them."""
    a = values[-1 - i % len(values)]
    others = [x for x in values if kind in ("product", "gradient") or broadcast_together(a, x)]
    b = others[j % len(others)]
    make = {
        "unary": lambda: UNARY[k % len(UNARY)](numeric(a)),
        "binary": lambda: BINARY[k % len(BINARY)](numeric(a), numeric(b)),
        "reduction": lambda: REDUCTIONS[k % len(REDUCTIONS)](numeric(a), j),
        "shaping": lambda: SHAPING[k % len(SHAPING)](numeric(a)),
        "product": lambda: product(a, b),
        "gradient": lambda: gradient(a, b),
    }
    try:
        made = make[kind]()
        size(made.dims)
        return made
    except (ValueError, ZeroDivisionError):
        return None


def broadcast_together(a, b) -> bool:
    try:
        size(broadcast(a.dims, b.dims))
        return True
    except ValueError:
        return False


def numeric(x):
    return ops.cast(x, np.float64) if x.dtype.kind == "b" else x


def product(a, b):
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError
    return ops.matmul(ops.cast(a, np.float64), ops.cast(b, np.float64))


def gradient(a, b):
    """The gradient of the sum of one value by another, unless ties share it: a third is no integer."""
    if a.dtype.kind != "f" or b.dtype.kind != "f" or any(s.op in (reduce_max, reduce_min) for s in needed([a])):
        raise ValueError
    return gradients(ops.sum(a), [b])[0]


def build(recipe, fused=True) -> Program:
    """The program of a recipe. What it computes goes to variables and, to be seen, to segments of its own."""
    layout = Layout(max(ROWS), align=64)
    known = places(layout)
    names = list(known)
    known["flat"] = flat(layout)
    known["rows"] = layout.add("scalars", (), np.int64)
    parts = []
    for steps, assignments, shown in recipe:
        graph = Graph({"rows": known["rows"]})
        values = [graph.input(known[name]) for name in (*names, "flat")]
        for kind, k, i, j in steps:
            made = compute(values, kind, k, i, j)
            values += [made] if made is not None else []
        results = [values[-1 - k % len(values)] for k in shown]
        results = [(layout.add("results", x.dims, x.dtype), x) for x in results]
        parts.append(plan("part", assigned(values, assignments, known) + results, layout, fused))
    return Program(parts, layout, {"rows": known["rows"]})


def assigned(values, assignments, known):
    """Each assignment's target with a value that fits it, found from the latest back."""
    chosen = {}
    for t, v in assignments:
        name = list(SHAPES)[t % len(SHAPES)] if t < 2 * len(SHAPES) else "flat"
        target = known[name]
        fitting = [x for x in values if x.dims == target.shape and x.dtype == target.dtype]
        chosen[name] = target, fitting[-1 - v % len(fitting)]
    if "flat" in chosen:
        chosen = {name: c for name, c in chosen.items() if name == "flat" or SHAPES[name][0] != "params"}
    return list(chosen.values())


def outcome(executor_class, program, rows):
    """All that the program may change, after two steps from a fixed beginning."""
    executor = executor_class(program, current_device())
    memory, random = executor.memory, np.random.default_rng(7)
    memory.buffers["work"][:] = 255  # NaN, to see what is read before it is written
    arrays = {name: memory.view(p, max(ROWS)) for name, p in places(Layout(max(ROWS), align=64)).items()}
    for name, array in arrays.items():
        low, high = (0, COLUMNS) if name == "labels" else (-3, 4)
        array[...] = random.integers(low, high, array.shape)
    executor.run(rows, 2)
    shown = [place for part in program.parts for place, _ in part.assigned if place.segment == "results"]
    return arrays | {f"results+{place.offset}": memory.view(place, rows) for place in shown}


def agree(recipe, executors):
    expected = {rows: outcome(Bounded, build(recipe), rows) for rows in ROWS}
    for executor, fused in executors:
        program = build(recipe, fused)
        for rows in ROWS:
            found = outcome(executor, program, rows)
            for name, array in expected[rows].items():
                np.testing.assert_array_equal(found[name], array, f"{name}, {executor.__name__}, {fused=}, {rows=}")


class Bounded(Reference):
    """The reference, which rejects recipes whose numbers grow until rounding begins."""

    def run_part(self, part, rows):
        values = Values(part, self.memory, rows)
        for _, result in values.compute(part.graph):
            assume(np.all(np.abs(np.asarray(result, np.float64)) <= MOST))
        super().run_part(part, rows)


@settings(max_examples=EXAMPLES or 300, deadline=None, derandomize=not EXAMPLES, database=None)
@given(st.lists(part(1, 16), min_size=1, max_size=2))
def test_generated_text_computes_what_the_reference_does(recipe):
    agree(recipe, [(Interpreted, True), (Interpreted, False)])


@settings(max_examples=EXAMPLES // 20 or 25, deadline=None, derandomize=not EXAMPLES, database=None)
@given(st.lists(part(5, 10), min_size=1, max_size=2))
def test_compiled_kernels_compute_what_the_reference_does(recipe):
    agree(recipe, [(CPU, True), (CPU, False)])
