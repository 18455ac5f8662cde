"""All ops, by themselves: a new one is found in the registry and needs no line here."""

import autograd
import autograd.numpy as anp
import numpy as np
import pytest
from scipy import special

import gpubp
from gpubp import ops
from gpubp.engine.trace import Graph
from gpubp.ops.registry import REGISTRY, dims

from .op_cases import ALONE, BATCHES, CASES, DONE, agree, alike, arity, drawn, special_values


def test_every_op_is_met():
    assert {c.values[0].name for c in CASES} | ALONE == set(REGISTRY)
    assert len(CASES) > 100


@pytest.mark.parametrize(("op", "inputs", "attrs"), CASES)
def test_the_shape_and_dtype_rules_tell_what_the_reference_gives(op, inputs, attrs):
    arrays = drawn(op, inputs)
    result, graph = op(*arrays, **attrs), Graph()
    symbol = graph.record(op, [graph.capture(np.asarray(a)) for a in arrays], attrs)
    assert symbol.dims == np.shape(result)
    assert symbol.dtype == result.dtype


@pytest.mark.parametrize(("op", "inputs", "attrs"), CASES)
def test_gradients_equal_finite_differences(op, inputs, attrs):
    arrays = drawn(op, inputs)
    floats = [k for k, a in enumerate(arrays) if a.dtype.kind == "f"]
    if op(*arrays, **attrs).dtype != np.float64 or not floats or op.name in BATCHES:
        assert not any(g is not None for g in recorded_gradient(op, arrays, attrs))
        return

    def function(chosen):
        given = dict(zip(floats, chosen, strict=True))
        return op(*(given.get(k, a) for k, a in enumerate(arrays)), **attrs)

    gpubp.gradcheck(function, [arrays[k] for k in floats], order=2 if op.smooth else 1)


def recorded_gradient(op, arrays, attrs):
    graph = Graph()
    symbols = [graph.capture(np.asarray(a)) for a in arrays]
    y = graph.record(op, symbols, attrs)
    return op.gradient(y, y, *symbols, **attrs)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("op", "inputs", "attrs"), CASES)
def test_the_cpu_executor_equals_the_reference(op, inputs, attrs, dtype):
    function = lambda *xs: op(*xs, **attrs)  # noqa: E731
    compiled, reference = gpubp.compile(function), gpubp.compile(function, executor="reference")
    for seed in range(3):
        arrays = drawn(op, inputs, dtype, seed)
        agree(compiled(*arrays), reference(*arrays))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "op",
    # check_finite stops at what is not finite, as another test says.
    [pytest.param(o, id=o.name) for o in REGISTRY.values() if o.expression and not o.examples and o.name not in DONE],
)
def test_special_values_are_what_numpy_makes_of_them(op, dtype):
    """NaN, infinities, zeros of both signs and denormals, each with each: the same kind of value in the same places."""
    values = special_values(dtype)
    for arrays in [[values]] if arity(op) == 1 else [[values[:, None], values], [values, values[:, None]]]:
        alike(gpubp.compile(lambda *xs: op(*xs))(*arrays), op(*arrays))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("op", "inputs", "attrs"), [c for c in CASES if c.values[0].examples])
def test_special_values_go_through_reductions_products_and_moves(op, inputs, attrs, dtype):
    rng = np.random.default_rng(0)
    function = lambda *xs: op(*xs, **attrs)  # noqa: E731
    for _ in range(8):
        arrays = drawn(op, inputs, dtype)
        for a in arrays:
            if a.dtype == dtype:
                spots = rng.random(a.shape) < 0.3
                a[spots] = rng.choice([np.nan, np.inf, -np.inf, -0.0], spots.sum())
        alike(gpubp.compile(function)(*arrays), gpubp.compile(function, "reference")(*arrays))


def test_fused_steps_lose_no_nan():
    """Compilers that may reassociate make (a + b) - a a plain b, and that may multiply by reciprocals 0 / tiny NaN."""
    a, b = np.array([1.0, np.inf, np.nan, 1e300]), np.array([2.0, 3.0, 4.0, 1e300])
    f = gpubp.compile(lambda a, b: (a + b) - a)
    np.testing.assert_array_equal(f(a, b), [2, np.nan, np.nan, 1e300])
    divided = gpubp.compile(ops.divide)(np.zeros((2, 8)), np.full((2, 1), 1e-310))
    np.testing.assert_array_equal(divided, np.zeros((2, 8)))


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (1, 2)])
@pytest.mark.parametrize("op", [pytest.param(o, id=o.name) for o in REGISTRY.values() if o.reduction])
def test_reductions_of_odd_extents_equal_the_reference(op, axes):
    """Of one element, of widths around those of vector registers, and over axes in the middle."""
    for shape in [(1, 1), (1, 33), (17, 1), (5, 7), (3, 40), (2, 5, 9), (4, 1, 17), (1, 6, 1)]:
        if axes[-1] < len(shape):
            for dtype in (np.float32, np.float64):
                x = np.random.default_rng(0).standard_normal(shape).astype(dtype)
                agree(gpubp.compile(lambda x: op(x, axes=axes))(x), op(x, axes=axes))


def mlp(np_like, logsumexp):
    """A loss over (w, v, b) with one hidden layer, written for gpubp.ops and autograd.numpy alike."""

    def loss(p, x, hot):
        h = np_like.tanh(np_like.dot(x, p["w"]) + p["b"])
        z = np_like.dot(np_like.maximum(h, 0.1), p["v"])
        return np_like.mean(logsumexp(z, 1) - np_like.sum(z * hot, 1)) + 0.1 * np_like.sum(p["w"] * p["w"])

    return loss


@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_gradients_of_a_net_equal_those_of_hips_autograd(executor):
    rng = np.random.default_rng(0)
    p = {"w": rng.standard_normal((4, 6)), "b": rng.standard_normal(6), "v": rng.standard_normal((6, 3))}
    x, hot = rng.standard_normal((9, 4)), np.eye(3)[rng.integers(0, 3, 9)]
    wanted = autograd.grad(mlp(anp, lambda z, axis: anp.log(anp.sum(anp.exp(z), 1))))(p, x, hot)
    _, found = gpubp.value_and_grad(mlp(ops, ops.logsumexp), executor=executor)(p, x, hot)
    for name in p:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-12, atol=1e-14)


AUTOGRAD = sorted(
    n for n in REGISTRY if callable(getattr(anp, n, None)) and REGISTRY[n].expression and not REGISTRY[n].examples
)


@pytest.mark.parametrize("name", AUTOGRAD)
def test_gradients_of_ops_equal_those_of_hips_autograd(name):
    op, other = REGISTRY[name], getattr(anp, name)
    arrays = drawn(op, ((3, 4), (4,))[: arity(op)])
    if all(g is None for g in recorded_gradient(op, arrays, {})):
        return
    for k in range(len(arrays)):
        wanted = autograd.grad(lambda *xs: anp.sum(other(*xs) * 1.5), k)(*arrays)
        found = gpubp.grad(lambda *xs: ops.sum(op(*xs) * 1.5), k, executor="reference")(*arrays)
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


TIED = np.array([[1.0, 3.0, 3.0, 0.0], [2.0, 2.0, 2.0, -1.0], [-4.0, 5.0, -4.0, -4.0]])
REDUCED = {
    "max of ties": (ops.max, anp.max),
    "min of ties": (ops.min, anp.min),
    "mean": (ops.mean, anp.mean),
    "logsumexp": (ops.logsumexp, lambda x, axis: anp.log(anp.sum(anp.exp(x), axis))),
    "softmax": (ops.softmax, lambda x, axis: anp.exp(x) / anp.sum(anp.exp(x), axis, keepdims=True)),
    "log_softmax": (ops.log_softmax, lambda x, axis: x - anp.log(anp.sum(anp.exp(x), axis, keepdims=True))),
}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", REDUCED)
def test_gradients_along_an_axis_equal_those_of_hips_autograd(name, axis):
    ours, theirs = REDUCED[name]
    wanted = autograd.grad(lambda x: anp.sum(anp.tanh(theirs(x, axis)) * 1.5))(TIED)
    for executor in ("auto", "reference"):
        found = gpubp.grad(lambda x: ops.sum(ops.tanh(ours(x, axis)) * 1.5), executor=executor)(TIED)
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)


def test_autograd_knows_most_ops():
    assert {"exp", "tanh", "divide", "maximum", "power", "log1p"} <= set(AUTOGRAD)


X = np.random.default_rng(1).standard_normal((4, 5)) * 2
COMPOSED = {
    "softmax": (lambda: ops.softmax(X), special.softmax(X, 1)),
    "log_softmax": (lambda: ops.log_softmax(X), special.log_softmax(X, 1)),
    "logsumexp": (lambda: ops.logsumexp(X, axis=1), special.logsumexp(X, 1)),
    "logsumexp of -inf": (lambda: ops.logsumexp(np.full((1, 3), -np.inf), axis=1), np.array([-np.inf])),
    "mean": (lambda: ops.mean(X, axis=0), X.mean(0)),
    "mean of integers": (lambda: ops.mean(np.arange(4)), np.float32(1.5)),
    "sum over two axes": (lambda: ops.sum(X[:, :, None] * np.ones(2), axis=(0, 2)), 2 * X.sum(0)),
    "max": (lambda: ops.max(X, axis=1, keepdims=True), X.max(1, keepdims=True)),
    "min": (lambda: ops.min(X), X.min()),
    "argmax": (lambda: ops.argmax(X, axis=1), X.argmax(1)),
    "argmax of ties and NaN": (lambda: ops.argmax([[1.0, 1.0, 0.0], [0.0, np.nan, 9.0]], axis=1), np.array([0, 1])),
    "one_hot": (lambda: ops.one_hot([2, 0], 3), np.eye(3, dtype=np.float32)[[2, 0]]),
    "clip": (lambda: ops.clip(X, -1.0, 1.0), X.clip(-1, 1)),
    "reciprocal": (lambda: ops.reciprocal(X), 1 / X),
    "sigmoid": (lambda: ops.sigmoid(X), special.expit(X)),
    "transpose": (lambda: ops.transpose(X), X.T),
    "squeeze": (lambda: ops.squeeze(ops.expand_dims(X, 1), 1), X),
    "matmul of three axes": (lambda: ops.matmul(X.reshape(2, 2, 5), X.T), X.reshape(2, 2, 5) @ X.T),
    "dot of vectors": (lambda: ops.dot(X[0], X[1]), X[0] @ X[1]),
}


@pytest.mark.parametrize("name", COMPOSED)
def test_compositions_equal_numpys_and_scipys(name):
    act, wanted = COMPOSED[name]
    found = act()
    assert found.dtype == wanted.dtype
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_stop_gradient_is_a_constant_to_differentiation():
    f = lambda x: ops.sum(x * ops.stop_gradient(x))  # noqa: E731
    np.testing.assert_allclose(gpubp.grad(f)(X), X)


@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_a_loss_that_is_not_finite_and_a_label_out_of_range_raise(executor):
    with pytest.raises(gpubp.NonFiniteError):
        gpubp.compile(lambda x: ops.check_finite(ops.sum(ops.log(x))), executor)(np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match=r"label 3 is not in 0\.\.2"):
        gpubp.compile(lambda y: ops.one_hot(y, 3), executor)(np.array([0, 3]))


@pytest.mark.parametrize("executor", ["auto", "reference"])
@pytest.mark.parametrize(
    ("column", "row", "message"), [(10**9, 1, r"column index is not in 0\.\.4"), (1, 7, r"row index is not in 0\.\.1")]
)
def test_sparse_rows_lead_nowhere_else(executor, column, row, message):
    pick = gpubp.compile(lambda *csr: ops.take_sparse_rows(*csr, columns=5, dtype="float32"), executor)
    with pytest.raises(ValueError, match=message):
        pick(np.ones(3), np.array([0, 2, column], np.int32), np.array([0, 1, 3]), np.array([0, row]))


def test_axes_and_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="axis 2 is out of range"):
        ops.sum(X, axis=2)
    with pytest.raises(ValueError, match="columns meet"):
        ops.matmul(X, X)
    assert dims(ops.reshape(X, (-1, 2))) == (10, 2)
