"""Random shapes, axes and keys: what moves elements, and products of many matrices, do what NumPy does."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import gpubp
from gpubp import ops

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=20)
DTYPES = st.sampled_from([np.float32, np.float64, np.int64, bool])
few = settings(max_examples=40, deadline=None)


def filled(shape, dtype=np.float64):
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def compared(ours, theirs, *arrays):
    """Compiled, op by op and at once; elements are moved, not computed, so they are equal."""
    expected = theirs(*arrays)
    for executor in ("auto", "reference"):
        found = gpubp.compile(ours, executor)(*arrays)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(ours(*arrays), expected)


@few
@given(st.data(), SHAPES, DTYPES)
def test_slices(data, shape, dtype):
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    compared(lambda x: ops.getitem(x, key), lambda x: x[key].copy(), filled(shape, dtype))


@few
@given(st.data(), SHAPES)
def test_gradients_of_slices_are_ones_where_they_reach(data, shape):
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True))
    expected = np.zeros(shape)
    expected[key] = 1.0
    for executor in ("auto", "reference"):
        found = gpubp.grad(lambda x: ops.sum(x[key]), executor=executor)(filled(shape))
        np.testing.assert_array_equal(found, expected)


@few
@given(st.data(), SHAPES, DTYPES)
def test_transpositions(data, shape, dtype):
    axes = data.draw(st.permutations(range(len(shape))))
    compared(lambda x: ops.transpose(x, axes), lambda x: np.transpose(x, axes), filled(shape, dtype))


@few
@given(st.data(), SHAPES, st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_concatenations(data, shape, widths):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    arrays = [filled((*shape[:axis], n, *shape[axis:][1:])) for n in widths]
    compared(lambda *xs: -ops.concatenate(xs, axis), lambda *xs: -np.concatenate(xs, axis), *arrays)


@few
@given(st.data(), SHAPES, hnp.array_shapes(min_dims=0, max_dims=2, min_side=1, max_side=6))
def test_taking(data, shape, picked):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    index = data.draw(hnp.arrays(np.int64, picked, elements=st.integers(-shape[axis], shape[axis] - 1)))
    take = lambda module: lambda x, i: module.take(x, i, axis=axis)  # noqa: E731
    compared(take(ops), take(np), filled(shape), index)


@few
@given(hnp.mutually_broadcastable_shapes(signature="(m,k),(k,n)->(m,n)", max_dims=2, max_side=9))
def test_products_of_many_matrices(shapes):
    a, b = (np.mod(filled(shape), 7.0) for shape in shapes.input_shapes)
    compared(ops.matmul, np.matmul, a, b)


LETTERS = st.lists(st.sampled_from("abcd"), min_size=0, max_size=3, unique=True)


@few
@given(st.data(), LETTERS, LETTERS)
def test_einsum(data, first, second):
    sizes = dict(zip("abcd", data.draw(st.lists(st.integers(1, 4), min_size=4, max_size=4)), strict=True))
    letters = sorted({*first, *second})
    kept = data.draw(st.permutations(letters))[: data.draw(st.integers(0, len(letters)))]
    text = f"{''.join(first)},{''.join(second)}->{''.join(kept)}"
    a, b = (filled(tuple(sizes[c] for c in name)) + 1.0 for name in (first, second))
    compared(lambda a, b: ops.einsum(text, a, b), lambda a, b: np.einsum(text, a, b), a, b)


@few
@given(
    hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=50), elements=st.sampled_from([-1.0, 0, 1, np.nan]))
)
def test_sorting_is_stable(x):
    compared(lambda x: ops.argsort(x, 0), lambda x: np.argsort(x, 0, kind="stable"), x)
    compared(ops.argsort, lambda x: np.argsort(x, kind="stable"), x)
