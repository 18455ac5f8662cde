"""Small programs for tests: variables and batches of many shapes, and executors held against the reference.

All elements are small integers, on which float arithmetic is exact in any order, so that results are compared exactly,
and comparisons and ties are decided equally.
"""

import numpy as np

from gpubp.backend import current_device
from gpubp.engine.executors.reference import Reference
from gpubp.engine.plan import Layout, Operand, plan
from gpubp.engine.program import Program
from gpubp.engine.trace import Graph
from gpubp.ops.shapes import B

ROWS = (5, 1, 3)  # a full batch, a single row, a ragged tail
COLUMNS = 3

# Variables and batches: name -> (segment, shape, dtype). `flat` is all of `params` as one vector.
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


def places(layout) -> dict[str, Operand]:
    return {name: layout.add(segment, shape, dtype) for name, (segment, shape, dtype) in SHAPES.items()}


def build(parts, fused=True, align=64, epilogues=frozenset()) -> Program:
    """The program whose parts these functions record: from symbols by name to pairs of a name and what it is assigned.

    Names that no variable has stand for places of their own, in which results can be seen.
    """
    layout = Layout(max(ROWS), align, epilogues)
    known = places(layout)
    known["flat"] = Operand("params", 0, np.dtype(np.float64), (layout.sizes["params"] // 8,))
    variables, rows, planned = dict(known), layout.add("scalars", (), np.int64), []
    for record in parts:
        graph = Graph({"rows": rows})
        assigned = record({name: graph.input(place) for name, place in variables.items()})
        for name, x in assigned:
            if name not in known:
                known[name] = layout.add("results", x.dims, x.dtype)
        planned.append(plan("part", [(known[name], x) for name, x in assigned], layout, fused))
    return Program(planned, layout, {"rows": rows})


def outcome(executor_class, program, rows, device=None) -> dict[str, np.ndarray]:
    """All that the program may change, after two steps from a fixed beginning."""
    device = device or current_device()
    executor = executor_class(program, device)
    memory, random = executor.memory, np.random.default_rng(7)
    if "work" in memory.buffers:
        device.copy(memory.buffers["work"], 255)  # NaN, to see what is read before it is written
    layout = Layout(max(ROWS), align=program.layout.align)
    arrays = {name: memory.view(place, max(ROWS)) for name, place in places(layout).items()}
    for name, array in arrays.items():
        low, high = (0, COLUMNS) if name == "labels" else (-3, 4)
        device.copy(array, random.integers(low, high, array.shape).astype(array.dtype))
    executor.run(rows, 2)
    shown = [place for part in program.parts for place, _ in part.assigned if place.segment == "results"]
    found = arrays | {f"result {k}": memory.view(place, rows) for k, place in enumerate(shown)}
    return {name: device.download(array) for name, array in found.items()}


def assert_agreement(parts, executor, reference=Reference, device=None):
    """The fused and the unfused program do what the reference does, for every number of rows."""
    here = device or current_device()
    align = here.align
    for rows in ROWS:
        expected = outcome(reference, build(parts, align=align), rows)
        for fused in (True, False):
            found = outcome(executor, build(parts, fused, align, here.epilogues), rows, device)
            for name, array in expected.items():
                np.testing.assert_array_equal(found[name], array, f"{name}, {executor.__name__}, {fused=}, {rows=}")
