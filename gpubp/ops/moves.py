"""The primitives that move elements: transposition, slices, padding by zeros, concatenation."""

import numpy as np

from gpubp.ops import strides
from gpubp.ops.registry import Op, dims, register, same_dtype
from gpubp.ops.shapes import public, size


def _along(start, step, shape):
    """NumPy's slices for a walk from `start` by `step`, `shape` elements."""
    ends = (a + s * n for a, s, n in zip(start, step, shape, strict=True))
    return tuple(
        slice(a, e if e >= 0 else None, s) if n else slice(0, 0)
        for a, s, n, e in zip(start, step, shape, ends, strict=True)
    )


def _zeros_with(x, start, step, shape):
    y = np.zeros(shape, x.dtype)
    y[_along(start, step, x.shape)] = x
    return y


transpose_op: Op = register(
    "transpose",
    shape=lambda x, axes: tuple(x[a] for a in axes),
    reference=lambda x, axes: np.transpose(x, axes),
    gradient=lambda dy, y, x, axes: (transpose_op(dy, axes=tuple(np.argsort(axes).tolist())),),
    dtype=same_dtype,
    kernel="shaping.read_walk",
    views=lambda x, y, axes: ((size(x),), strides.of_transpose(x, axes).matrices),
    options=lambda x, y, axes: strides.of_transpose(x, axes).options,
    examples=(
        (((3, 4),), {"axes": (1, 0)}),
        (((2, 3, 4),), {"axes": (1, 0, 2)}),
        (((2, 3, 4, 5),), {"axes": (3, 1, 0, 2)}),
        (((17, 2, 33),), {"axes": (0, 2, 1)}),
    ),
)

slice_op: Op = register(
    "slice",
    shape=lambda x, start, step, shape: shape,
    reference=lambda x, start, step, shape: x[_along(start, step, shape)],
    gradient=lambda dy, y, x, start, step, shape: (pad_op(dy, start=start, step=step, shape=dims(x)),),
    dtype=same_dtype,
    kernel="shaping.read_walk",
    views=lambda x, y, start, step, shape: ((size(x),), strides.of_slice(x, start, step, y).matrices),
    options=lambda x, y, start, step, shape: strides.of_slice(x, start, step, y).options,
    examples=(
        (((5, 7),), {"start": (1, 2), "step": (1, 1), "shape": (3, 4)}),
        (((5, 7),), {"start": (4, 0), "step": (-2, 3), "shape": (3, 3)}),
        (((2, 3, 4, 5),), {"start": (1, 2, 0, 1), "step": (1, -1, 2, 1), "shape": (1, 3, 2, 4)}),
        (((4,),), {"start": (3,), "step": (-1,), "shape": (4,)}),
    ),
)
"""Elements from `start` by `step` in each dimension, as many as `shape` says."""

pad_op: Op = register(
    "pad",
    shape=lambda x, start, step, shape: shape,
    reference=_zeros_with,
    gradient=lambda dy, y, x, start, step, shape: (slice_op(dy, start=start, step=step, shape=dims(x)),),
    dtype=same_dtype,
    kernel="shaping.write_walk",
    views=lambda x, y, start, step, shape: (strides.of_slice(y, start, step, x).matrices, (size(y),)),
    options=lambda x, y, start, step, shape: strides.of_slice(y, start, step, x).options,
    examples=(
        (((3, 4),), {"start": (1, 2), "step": (1, 1), "shape": (5, 7)}),
        (((3, 3),), {"start": (4, 0), "step": (-2, 3), "shape": (5, 7)}),
        (((2, 1, 3),), {"start": (0, 1, 0), "step": (2, 1, 1), "shape": (4, 2, 3)}),
    ),
)
"""Zeros of `shape`, with the input from `start` by `step` in each dimension: a slice undone."""


def _joined(*shapes, axis):
    first = shapes[0]
    for s in shapes[1:]:
        if len(s) != len(first) or s[:axis] + s[axis + 1 :] != first[:axis] + first[axis + 1 :]:
            raise ValueError(f"shapes {public(first)} and {public(s)} to be joined along axis {axis} differ elsewhere")
    return (*first[:axis], sum(s[axis] for s in shapes), *first[axis + 1 :])


def _parts(dy, y, *inputs, axis):
    """The gradient of a concatenation: to each input what stands in its place."""
    begin: int = 0
    for x in inputs:
        shape, start = dims(x), tuple(begin if d == axis else 0 for d in range(len(dims(x))))
        yield slice_op(dy, start=start, step=(1,) * len(shape), shape=shape)
        begin += shape[axis]


concatenate_op = register(
    "concatenate",
    shape=_joined,
    reference=lambda *xs, axis: np.concatenate(xs, axis),
    gradient=lambda dy, y, *xs, axis: tuple(_parts(dy, y, *xs, axis=axis)),
    dtype=same_dtype,
    kernel="shaping.concatenate",
    views=lambda *shapes, axis: tuple((size(s[:axis]), size(s[axis:])) for s in shapes),
    examples=(
        (((2, 3), (4, 3)), {"axis": 0}),
        (((2, 3), (2, 1), (2, 5)), {"axis": 1}),
        (((2, 3, 4), (2, 1, 4)), {"axis": 1}),
        (((3,), (2,)), {"axis": 0}),
    ),
)
