"""What no table of values shows: refusals, gradients at the edges, operators of symbols, indices out of range."""

import numpy as np
import pytest

import gpubp
from gpubp import activations, ops
from gpubp.engine.executors.cpu import CPU
from gpubp.engine.executors.reference import Reference
from gpubp.ops.shapes import B

from .programs import results

X = np.random.default_rng(1).standard_normal((4, 6))


def recorded(function, shape, array=None, executor=Reference):
    """The value of a function recorded over rows of unknown number."""
    array = X if array is None else array
    return results(function, [shape], [array.dtype], False, executor, [array], 4)[0]


ROWS_REFUSED = {
    "the first rows": (lambda x: x[:3], "does not fit every number of rows"),
    "from the third row": (lambda x: x[2:], "does not fit every number of rows"),
    "the last two": (lambda x: x[-2:], "does not fit every number of rows"),
    "every second": (lambda x: x[::2], "not divisible"),
    "half": (lambda x: ops.split(x, 2), "not divisible"),
    "the third row": (lambda x: x[2], "index 2 is out of range"),
    "a block": (lambda x: ops.slice(x, (0, 0), (2, 6)), "is not within"),
    "unstack": (ops.unstack, "fixed number"),
    "argmax": (lambda x: ops.argmax(x, 0), "along the rows"),
    "prod": (lambda x: ops.prod(x, 0), "fixed number of factors"),
}


@pytest.mark.parametrize("name", ROWS_REFUSED)
def test_what_does_not_fit_every_number_of_rows_is_refused(name):
    function, message = ROWS_REFUSED[name]
    with pytest.raises((ValueError, IndexError), match=message):
        recorded(function, (B, 6))


REFUSED = {
    "concatenate": (lambda: ops.concatenate([X, X[:, :2]]), "differ elsewhere"),
    "concatenate of nothing": (lambda: ops.concatenate([]), "one or more arrays"),
    "stack of nothing": (lambda: ops.stack([]), "one or more arrays"),
    "split": (lambda: ops.split(X, 4, axis=1), "equal parts"),
    "transpose": (lambda: ops.transpose(X, (0, 0)), "permutation"),
    "moveaxis": (lambda: ops.moveaxis(X, (0, 1), (0,)), "as many sources"),
    "squeeze": (lambda: ops.squeeze(X, 0), "dimensions of one"),
    "reshape": (lambda: ops.reshape(X, (5, -1)), "numbers of elements differ"),
    "an axis": (lambda: ops.cumsum(X, axis=2), "out of range"),
    "matmul": (lambda: ops.matmul(X, X), "columns meet"),
    "matmul of a scalar": (lambda: ops.matmul(X, 2.0), "matmul takes"),
    "matmul of many": (lambda: ops.matmul(np.ones((2, 3, 3)), np.ones((4, 3, 3))), "do not broadcast"),
    "einsum of too many letters": (lambda: ops.einsum("ijk->i", X), "does not fit"),
    "einsum of a diagonal": (lambda: ops.einsum("ii->i", X), "repeats a letter"),
    "einsum of a strange result": (lambda: ops.einsum("ij->k", X), "does not fit"),
    "einsum of different sizes": (lambda: ops.einsum("ij,ij->", X, X.T), "'i' is both"),
    "einsum of other operands": (lambda: ops.einsum("ij,jk", X), "names 2 operands"),
    "tensordot": (lambda: ops.tensordot(X, X, 1), "differ along"),
    "take": (lambda: ops.take(X, X), "indices are integers"),
    "take_along_axis": (lambda: ops.take_along_axis(X, np.zeros((3, 1), int), 1), "do not fit"),
    "top_k": (lambda: ops.top_k(X, 7), "k from 1"),
    "pad": (lambda: ops.pad(X, 1, "reflect"), "not supported"),
    "pad of three axes": (lambda: ops.pad(X, ((1, 1),) * 3), "pad_width"),
    "pad by less than nothing": (lambda: ops.pad(X, -1), "0 or more"),
    "slice_update": (lambda: ops.slice_update(X, (3, 0), X), "is not within"),
    "norm": (lambda: ops.norm(X, "nuc", (0, 1)), "not supported"),
    "glu": (lambda: ops.glu(X[:, :3]), "even"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_arguments_are_refused_at_once_and_while_recording(name):
    act, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        act()


@pytest.mark.parametrize("executor", ["auto", "reference"])
@pytest.mark.parametrize("index", [3, -4])
def test_indices_out_of_range_stop_the_program(executor, index):
    take = gpubp.compile(lambda x, i: ops.take(x, i, axis=0), executor)
    with pytest.raises(ValueError, match=rf"index {index} is not in -3\.\.2"):
        take(X[:3], np.array([0, index]))
    with pytest.raises(IndexError, match=rf"index {index}"):
        ops.take(X[:3], [0, index], axis=0)
    np.testing.assert_array_equal(take(X[:3], np.array([2, -3])), X[[2, 0]])


@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_updates_of_one_index_add_up(executor):
    gradient = gpubp.grad(lambda x: ops.sum(ops.take(x, [1, 1, 1, 0], axis=0)), executor=executor)(X)
    np.testing.assert_array_equal(gradient, np.repeat([[1.0], [3.0], [0.0], [0.0]], 6, 1))


KEYS = [
    np.s_[0],
    np.s_[-1, ::-1],
    np.s_[:, None, 2:5],
    np.s_[..., 3],
    np.s_[1:3, -2],
    np.s_[::-2, 4:1:-1],
    np.s_[2:2],
    np.s_[:100, -100:2],
    np.s_[[1, 1, 0]],
    np.s_[:, np.array([[0, 5], [-1, 2]])],
    np.s_[np.int64(1)],
    np.s_[()],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_indexing_is_numpys(key):
    np.testing.assert_array_equal(gpubp.compile(lambda x: x[key])(X), X[key])


@pytest.mark.parametrize("key", [np.s_[0, 0, 0], np.s_[..., 0, ...], np.s_[4], np.s_[:, -7]])
def test_keys_out_of_range_are_refused(key):
    with pytest.raises(IndexError):
        gpubp.compile(lambda x: x[key])(X)


@pytest.mark.parametrize("key", [np.s_[X > 0], np.s_[1.5], np.s_[[0, 1], [1, 0]]], ids=["mask", "float", "two arrays"])
def test_keys_that_are_not_supported_are_refused(key):
    with pytest.raises(TypeError, match="while recording"):
        gpubp.compile(lambda x: x[key])(X)


def test_an_index_may_be_a_symbol():
    found = gpubp.compile(lambda x: x[ops.argmax(x[:, 0])])(X)
    np.testing.assert_array_equal(found, X[X[:, 0].argmax()])


@pytest.mark.parametrize("executor", [CPU, Reference])
def test_shapes_may_be_computed_from_the_rows(executor):
    rows = lambda x: ops.shape(x)[0]  # noqa: E731
    wanted = {
        "doubled": (lambda x: ops.reshape(x, (rows(x) * 2, 3)), X.reshape(8, 3)),
        "halved": (lambda x: ops.reshape(ops.reshape(x, (2 * rows(x), 3)), (rows(x) * 2 // 2, -1)), X),
        "all but one": (lambda x: x[: rows(x) - 1], X[:3]),
        "one more": (
            lambda x: ops.concatenate([x, ops.zeros((rows(x) + 1, 6), x.dtype)]),
            np.vstack([X, np.zeros((5, 6))]),
        ),
    }
    for function, expected in wanted.values():
        np.testing.assert_array_equal(recorded(function, (B, 6), executor=executor), expected)
    with pytest.raises(ValueError, match=r"a shape holds ints and what ops\.shape gives"):
        recorded(lambda x: ops.reshape(x, (ops.cast(ops.sum(x), "int64"), 6)), (B, 6))


OPERATORS = {
    "floordiv": lambda a, b: a // b,
    "mod": lambda a, b: a % b,
    "power": lambda a, b: abs(a) ** b,
    "power of two": lambda a, b: 2.0**a,
    "a number on the left": lambda a, b: 7.0 // b + 7.0 % b,
    "truths": lambda a, b: ~((a > 0) & (b > 0)) ^ ((a > 1) | (b < 0)),
    "matmul": lambda a, b: a @ b.T if isinstance(b, np.ndarray) else a @ ops.transpose(b),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_of_symbols_are_those_of_arrays(name):
    a, b = np.round(3 * X), np.round(2 * X[::-1]) + 0.5
    np.testing.assert_allclose(gpubp.compile(OPERATORS[name])(a, b), OPERATORS[name](a, b), rtol=1e-12)


def test_bits_are_for_truths():
    with pytest.raises(TypeError, match="are for bools"):
        gpubp.compile(lambda x: ~x)(X)


@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_integers_are_computed_in_integers_or_in_float32(executor):
    a, b = np.arange(-6, 6).reshape(3, 4), np.array([1, -2, 3, 2])
    exact = {
        "matmul": lambda a, b: a @ b,
        "power": lambda a, b: a ** abs(b),
        "mod": np.mod,
        "floordiv": np.floor_divide,
    }
    for name, function in exact.items():
        ours = {"mod": ops.mod, "floordiv": ops.floor_divide}.get(name, function)
        found = gpubp.compile(ours, executor)(a, b)
        assert found.dtype == np.int64, name
        np.testing.assert_array_equal(found, function(a, b))
    for function in (ops.divide, ops.exp, ops.mean, ops.std, ops.sqrt):
        arguments = (a * a, b) if function is ops.divide else (a * a,)
        found, wanted = gpubp.compile(function, executor)(*arguments), function(*arguments)
        assert found.dtype == wanted.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


# At the edges of what floats hold, and where a formula's parts would be infinite, zero or not defined.
EDGES = np.array([-1e30, -1000.0, -90.0, -1e-30, 0.0, 1e-30, 90.0, 1000.0, 1e30])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(set(activations.NAMES) - {"exponential", "squareplus", "glu", "threshold"}))
def test_activations_and_their_gradients_are_finite_far_from_zero(name, dtype):
    """All of bounded slope: values and slopes are those of float64 at 40 digits' distance from overflow."""
    function, x = activations.get(name), EDGES.astype(dtype)[:, None] * np.ones(2, dtype)
    found, slope = gpubp.value_and_grad(lambda x: ops.sum(function(x) * dtype(1e-6)))(x)
    assert np.isfinite(found)
    assert np.isfinite(slope).all()


def test_roots_of_nothing_have_no_slope():
    for function in (
        ops.norm,
        ops.std,
        lambda x: ops.norm(x, 3),
        lambda x: ops.sum(ops.norm(ops.stack([x, x]), axis=1)),
    ):
        gradient = gpubp.grad(function)(np.zeros(3))
        np.testing.assert_array_equal(gradient, np.zeros(3))
    assert np.isnan(ops.norm(np.array([np.nan, 1.0])))


def test_equal_infinities_share_the_gradient_of_logaddexp():
    a, b = np.array([-np.inf, np.inf, 0.0, -np.inf]), np.array([-np.inf, np.inf, 0.0, 1.0])
    gradients = gpubp.grad(lambda p: ops.sum(ops.logaddexp(*p)))([a, b])
    np.testing.assert_array_equal(gradients, [[0.5, 0.5, 0.5, 0.0], [0.5, 0.5, 0.5, 1.0]])


@pytest.mark.parametrize("executor", ["auto", "reference"])
@pytest.mark.parametrize("exponent", [0, 0.0, np.zeros(3)])
def test_a_power_of_exponent_zero_is_constant(exponent, executor):
    slope = gpubp.grad(lambda a: ops.sum(a**exponent), executor=executor)
    assert slope(np.array([0.0, 1.0, -2.0])).tolist() == [0, 0, 0]
    twice = gpubp.grad(lambda a: ops.sum(gpubp.grad(lambda b: ops.sum(b**exponent))(a)), executor=executor)
    assert twice(np.array([0.0, 1.0, -2.0])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("extreme", [ops.max, ops.min, ops.argmax])
def test_there_is_no_extreme_of_nothing(extreme):
    for function in (extreme, gpubp.compile(extreme), gpubp.compile(lambda x: extreme(x, axis=0))):
        with pytest.raises(ValueError, match=r"no elements|zero-size|empty"):
            function(np.zeros((0, 3)))
    assert gpubp.compile(lambda x: extreme(x, axis=1))(np.zeros((0, 3))).shape == (0,)


def test_an_error_in_a_function_speaks_of_no_weights():
    with pytest.raises(ValueError, match=r"while a function was computed: the index 5 is not in -3\.\.2$"):
        gpubp.compile(lambda x: ops.take(x, np.array([5]), axis=0))(np.zeros(3))


def test_powers_of_zero_have_a_gradient():
    gradient = gpubp.grad(lambda p: ops.sum(ops.power(*p)))([np.array([0.0, 0.0]), np.array([2.0, 3.0])])
    np.testing.assert_array_equal(gradient, np.zeros((2, 2)))


def test_products_with_zeros_have_the_gradient_of_the_others():
    gradient = gpubp.grad(ops.prod)(np.array([2.0, 0.0, 5.0]))
    np.testing.assert_array_equal(gradient, [0.0, 10.0, 0.0])


def test_the_variance_of_large_numbers_is_not_lost():
    x = np.array([1e8, 1e8 + 1, 1e8 + 2])
    assert ops.var(x) == pytest.approx(2 / 3)


def test_sorting_puts_nan_last_and_keeps_the_order_of_ties():
    x = np.array([[2.0, np.nan, 1.0, 2.0, -np.inf], [0.0, -0.0, 0.0, np.inf, np.nan]])
    np.testing.assert_array_equal(gpubp.compile(ops.argsort)(x), [[4, 2, 0, 3, 1], [0, 1, 2, 3, 4]])
    values, indices = gpubp.compile(lambda x: ops.top_k(x, 3))(x)
    np.testing.assert_array_equal(indices, [[1, 0, 3], [4, 3, 0]])
    np.testing.assert_array_equal(values, np.take_along_axis(x, indices, 1))


RELU = [
    {},
    {"negative_slope": 0.25},
    {"max_value": 6.0},
    {"max_value": 1.0},
    {"threshold": 0.5},
    {"threshold": -0.5},
    {"negative_slope": 0.25, "threshold": 0.5, "max_value": 1.0},
    {"negative_slope": 0.25, "threshold": -0.5},
    {"negative_slope": 0.25, "max_value": 1.0},
]


def relu_by_cases(x, negative_slope=0.0, max_value=np.inf, threshold=0.0):
    """Keras's definition: what is above the threshold stays, up to the maximum; below it is a line through it."""
    above = np.minimum(x, max_value) if max_value == np.inf else np.clip(x, 0, max_value)
    return np.where(x > threshold, above, negative_slope * (x - threshold))


@pytest.mark.parametrize("options", RELU, ids=str)
def test_relu_takes_keras_options(options):
    found = activations.relu(X, **options)
    np.testing.assert_allclose(found, relu_by_cases(X, **options), rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(gpubp.compile(lambda x: activations.relu(x, **options))(X), found, rtol=1e-15)


def test_activations_are_found_by_name_and_named():
    for name, function in activations.NAMES.items():
        assert activations.get(name) is function
        assert activations.name_of(function) == name
    assert activations.get(None) is activations.linear
    assert activations.name_of(activations.get("swish")) == "silu"
    assert activations.name_of(ops.relu) == "relu"
    assert activations.name_of(ops.exp) == "exponential"
    with pytest.raises(ValueError, match="did you mean 'gelu'"):
        activations.get("gelo")
    for wrong in (3, ["relu"]):
        with pytest.raises(ValueError, match=r"unknown activation .*known are celu"):
            activations.get(wrong)
    with pytest.raises(ValueError, match="no name"):
        activations.name_of(lambda x: x)


def test_gelu_is_exact_by_default_as_an_activation_alone():
    np.testing.assert_array_equal(activations.gelu(X), ops.gelu(X, approximate=False))
    np.testing.assert_array_equal(ops.gelu(X), ops.gelu(X, approximate=True))


def test_numbers_become_tensors_of_keras_dtypes():
    for given, dtype in ((1.0, "float32"), ([1, 2], "int64"), (True, "bool"), (np.ones(2), "float64")):
        assert ops.convert_to_tensor(given).dtype == dtype
    assert ops.convert_to_tensor([1, 2], "float32").dtype == "float32"
    with pytest.raises(TypeError, match="has no value"):
        gpubp.compile(ops.convert_to_numpy)(X)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("question", ["isfinite", "isinf", "isnan"])
def test_questions_about_sums_are_about_their_values(question, dtype):
    """Compilers that may reorder sums must not answer them from the terms."""
    a, b = (np.array(x, dtype) for x in ([np.inf, np.nan, np.inf, 1.0, -np.inf], [1.0, 1.0, -np.inf, 2.0, 0.5]))
    with np.errstate(invalid="ignore"):
        expected = getattr(np, question)(a + b), getattr(np, question)(a - b)
    ask = getattr(ops, question)
    assert np.array_equal(gpubp.compile(lambda a, b: [ask(a + b), ask(a - b)])(a, b), expected)


def test_a_loss_that_is_a_sum_is_checked_as_a_whole():
    loss = gpubp.compile(lambda a, b: ops.check_finite(ops.sum(a) + ops.sum(b)))
    with pytest.raises(FloatingPointError):
        loss(np.float32([np.inf, 1.0]), np.float32([1.0, 2.0]))
