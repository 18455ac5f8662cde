"""Functions of ops as programs over a number of rows that is known only when they run."""

import numpy as np

from gpubp import ops
from gpubp.backend import current_device
from gpubp.engine import trees
from gpubp.engine.autodiff import gradients
from gpubp.engine.plan import Layout, Operand, plan
from gpubp.engine.program import Program
from gpubp.engine.trace import Graph

ROWS = 4  # the most that a program is made for


def results(function, shapes, dtypes, differentiate, executor_class, arrays, rows, fused=True):
    """What a recorded function gives for arrays of `rows` rows, and by which gradients of its floats."""
    layout = Layout(ROWS, align=64)
    count = layout.add("scalars", (), np.int64)
    places = [layout.add("batch", shape, dtype) for shape, dtype in zip(shapes, dtypes, strict=True)]
    graph = Graph({"rows": count})
    inputs = [graph.input(place) for place in places]
    with graph.recording():
        outputs = [graph.capture(y) if isinstance(y, np.ndarray) else y for y in trees.flatten(function(*inputs))]
        found = [*outputs, *(_gradients(outputs[0], inputs) if differentiate else ())]
    targets = [Operand(f"result{k}", 0, x.dtype, x.dims) for k, x in enumerate(found)]
    for target in targets:
        layout.reserve(target.segment, target.bytes(ROWS))
    program = Program([plan("part", list(zip(targets, found, strict=True)), layout, fused)], layout, {"rows": count})
    executor = executor_class(program, current_device())
    for place, array in zip(places, arrays, strict=True):
        executor.memory.view(place, rows)[...] = array
    executor.run(rows, 1)
    return [executor.memory.view(target, rows).copy() for target in targets]


def _gradients(y, inputs):
    return gradients(ops.sum(ops.sin(y)), [x for x in inputs if x.dtype.kind == "f"])
