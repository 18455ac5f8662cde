"""Random programs: fused and unfused, they must do exactly what the reference does.

A recipe is a list of numbers, from which parts are recorded: ops on values of many shapes over a symbolic number of
rows, gradients, and assignments of variables that cross each other.
"""

import os

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gpubp import ops
from gpubp.engine.autodiff import gradients
from gpubp.engine.executors.cpu import CPU
from gpubp.engine.executors.reference import Reference, Values
from gpubp.engine.trace import needed
from gpubp.ops.reductions import reduce_max, reduce_min, reduce_sum
from gpubp.ops.shapes import B, broadcast, size
from gpubp.ops.shaping import iota

from .interpreted import Interpreted
from .small_programs import COLUMNS, assert_agreement

EXAMPLES = int(os.environ.get("GPUBP_FUZZ_EXAMPLES", "0"))  # other ones each time; none: the same few each time
MOST = 2**22  # beyond, float32 integers would not be exact

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
    lambda x: x + iota(COLUMNS, like=x),
    lambda x: iota(COLUMNS, like=x),
    lambda x: ops.one_hot(ops.clip(ops.cast(x, np.int64), 0, 2), COLUMNS, dtype=np.float64),
    ops.flip,
    ops.sort,
    lambda x: ops.cumsum(x, axis=0),
    lambda x: x[1:],
    lambda x: x[..., ::2],
    lambda x: ops.concatenate([x, x[..., :1]], axis=-1),
    lambda x: ops.concatenate([x, x]),
    lambda x: ops.swapaxes(x, 0, -1),
    lambda x: ops.take(x, [2, 0, 2], axis=-1) if x.dims[-1:] == (COLUMNS,) else ops.pad(x, 1),
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
    except (ValueError, IndexError, ZeroDivisionError):
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
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError
    return ops.matmul(ops.cast(a, np.float64), ops.cast(b, np.float64))


def gradient(a, b):
    """The gradient of the sum of one value by another, unless ties share it: a third is no integer."""
    if a.dtype.kind != "f" or b.dtype.kind != "f" or any(s.op in (reduce_max, reduce_min) for s in needed([a])):
        raise ValueError
    return gradients(ops.sum(a), [b])[0]


def recorder(number, steps, assignments, shown):
    """What records the part of a recipe."""

    def record(inputs):
        values = list(inputs.values())
        for step in steps:
            made = compute(values, *step)
            values += [made] if made is not None else []
        results = [(f"result {number}.{k}", values[-1 - k % len(values)]) for k in dict.fromkeys(shown)]
        return assigned(values, assignments, inputs) + results

    return record


def assigned(values, assignments, inputs):
    """Each assignment's target with a value that fits it, found from the latest back; never `flat` and parts of it."""
    chosen = {}
    for t, v in assignments:
        name = list(inputs)[t % len(inputs)]
        target = inputs[name]
        fitting = [x for x in values if x.dims == target.dims and x.dtype == target.dtype]
        chosen[name] = fitting[-1 - v % len(fitting)]
    if "flat" in chosen:
        chosen = {name: x for name, x in chosen.items() if inputs[name].place.segment != "params" or name == "flat"}
    return list(chosen.items())


class Bounded(Reference):
    """The reference, which rejects recipes whose numbers grow until rounding begins."""

    def run_part(self, part, rows):
        values = Values(part, self.memory, rows)
        for _, result in values.compute(part.graph):
            assume(np.all(np.abs(np.asarray(result, np.float64)) <= MOST))
        super().run_part(part, rows)


def recorders(recipe):
    return [recorder(k, *part) for k, part in enumerate(recipe)]


@settings(max_examples=EXAMPLES or 200, deadline=None, derandomize=not EXAMPLES, database=None)
@given(st.lists(part(1, 16), min_size=1, max_size=2))
def test_generated_text_computes_what_the_reference_does(recipe):
    assert_agreement(recorders(recipe), Interpreted, Bounded)


@settings(max_examples=EXAMPLES // 20 or 15, deadline=None, derandomize=not EXAMPLES, database=None)
@given(st.lists(part(5, 10), min_size=1, max_size=2))
def test_compiled_kernels_compute_what_the_reference_does(recipe):
    assert_agreement(recorders(recipe), CPU, Bounded)
