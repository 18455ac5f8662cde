"""value_and_grad, grad and compile: functions of nested arrays, recorded and compiled."""

import numpy as np
import pytest

import gpubp
from gpubp import grad, ops, value_and_grad
from gpubp.engine import functions


def test_nested_arguments_keep_their_structure():
    params = {"layers": [{"w": np.full((2, 2), 2.0)}, {"w": np.ones((2, 1))}], "scale": (np.float64(3.0),)}

    def loss(p, x):
        h = x @ p["layers"][0]["w"]
        return ops.sum(h @ p["layers"][1]["w"]) * p["scale"][0]

    value, g = value_and_grad(loss)(params, np.ones((4, 2)))
    assert float(value) == 96
    assert isinstance(g["scale"], tuple)
    np.testing.assert_allclose(g["layers"][0]["w"], np.full((2, 2), 12.0))
    np.testing.assert_allclose(g["layers"][1]["w"], [[48.0], [48.0]])
    assert float(g["scale"][0]) == 32


def test_captured_arrays_are_never_stale_and_the_program_is_found_again():
    c = np.array([1.0, 2.0, 3.0])
    f = value_and_grad(lambda x: ops.sum(x * c))
    assert f(np.ones(3))[1].tolist() == [1, 2, 3]
    known = len(functions._PROGRAMS)
    c[:] = 5
    assert f(np.ones(3))[1].tolist() == [5, 5, 5]
    assert f(np.zeros(3))[0] == 0
    assert len(functions._PROGRAMS) == known


def test_grad_of_grad_and_a_hessian_vector_product():
    f = lambda t: ops.sum(ops.tanh(t) * ops.exp(-t) / (1.0 + t * t))  # noqa: E731
    t, h = np.float64(0.7), 1e-4
    value = lambda s: float(value_and_grad(f)(np.float64(s))[0])  # noqa: E731
    numeric = (value(t + h) - 2 * value(t) + value(t - h)) / h**2
    assert float(grad(grad(f))(t)) == pytest.approx(numeric, rel=1e-6)
    a = np.array([[2.0, 1.0], [1.0, 3.0]])
    quadratic = lambda x: 0.5 * ops.sum(x * ops.dot(x, a))  # noqa: E731
    product = grad(lambda x, v: ops.sum(v * grad(quadratic)(x)))
    np.testing.assert_allclose(product(np.array([[5.0, 7.0]]), np.array([[1.0, -1.0]])), [[1.0, -2.0]])


@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_an_inner_gradient_is_by_its_argument_alone(executor):
    """Other arguments, and what the inner function captures, are constant even where they are the same symbol."""
    a = np.array([1.0, 2.0, 3.0])
    product = lambda p, q: ops.sum(p * q)  # noqa: E731
    for inner in (
        lambda x: grad(product)(x, x),
        lambda x: grad(product, 1)(x, x),
        lambda x: grad(lambda p: ops.sum(p * x))(x),
        lambda x: grad(product)(a, x),
    ):
        assert grad(lambda x, f=inner: ops.sum(f(x)), executor=executor)(a).tolist() == [1, 1, 1]
    cube = lambda p: ops.sum(p**3)  # noqa: E731
    assert grad(lambda x: ops.sum(grad(cube)(x) * x), executor=executor)(a).tolist() == (9 * a**2).tolist()


def test_another_argument_and_a_second_result():
    f = lambda x, y: (ops.sum(x * y * y), {"y": y * 2})  # noqa: E731
    (value, aux), g = value_and_grad(f, argnums=1, has_aux=True)(np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    assert float(value) == 41
    assert aux["y"].tolist() == [6, 8]
    assert g.tolist() == [6, 16]


def test_what_the_function_does_not_depend_on_has_a_gradient_of_zeros():
    assert grad(lambda p: ops.sum(p["a"]))({"a": np.ones(2), "b": np.ones((2, 3))})["b"].tolist() == [[0] * 3] * 2


def test_compile_records_once_for_each_signature():
    calls = []

    def f(x):
        calls.append(x.shape)
        return {"double": x * 2, "same": x}

    compiled = gpubp.compile(f)
    for _ in range(3):
        assert compiled(np.arange(3.0))["double"].tolist() == [0, 2, 4]
    assert compiled(np.arange(2.0))["same"].tolist() == [0, 1]
    assert calls == [(3,), (2,)]


@pytest.mark.parametrize(
    "act",
    [
        lambda x: bool(x),
        lambda x: float(x),
        lambda x: list(x),
        lambda x: np.exp(x),
        lambda x: x if x > 0 else -x,
        lambda x: np.asarray(x),
        lambda x: len(x),
    ],
)
def test_a_symbol_has_no_value_and_the_error_names_the_line(act):
    with pytest.raises(TypeError, match=r"test_functions\.py:\d+: a symbol has no value"):
        value_and_grad(lambda x: ops.sum(act(x)))(np.ones(3))


def test_shapes_that_do_not_fit_name_the_line_and_the_shapes():
    with pytest.raises(ValueError, match=r"test_functions\.py:\d+: add: shapes \(3,\) and \(2,\)"):
        value_and_grad(lambda x: ops.sum(x + np.ones(2)))(np.ones(3))
    with pytest.raises(ValueError, match=r"3 columns meet 2 rows"):
        value_and_grad(lambda x: ops.sum(x @ np.ones((2, 2))))(np.ones((1, 3)))


def test_only_a_float_scalar_has_a_gradient():
    with pytest.raises(ValueError, match=r"only a float scalar.*\(3,\)"):
        grad(lambda x: x * 2)(np.ones(3))


@pytest.mark.parametrize("returned", [None, (1.0, 2.0), "text"])
def test_what_is_no_scalar_is_named(returned):
    with pytest.raises(ValueError, match=f"must return a float scalar; it returned {type(returned).__name__}"):
        value_and_grad(lambda x: returned)(np.ones(3))
    with pytest.raises(TypeError, match="the function returns None; it is to return arrays"):
        gpubp.compile(lambda x: {"a": x, "b": [x, None]})(np.ones(3))


def test_arguments_may_be_given_by_name():
    f = lambda x, scale=2.0, *, shift: ops.sum(x * scale["k"] + shift)  # noqa: E731
    x, scale = np.arange(3.0), {"k": np.array([1.0, 2.0, 3.0])}
    value, g = value_and_grad(f)(x, scale, shift=np.ones(3))
    assert (float(value), g.tolist()) == (11, [1, 2, 3])
    assert grad(f)(x, shift=np.ones(3), scale=scale).tolist() == [1, 2, 3]
    compiled = gpubp.compile(f)
    assert [float(compiled(x, scale=scale, shift=np.float64(k))) for k in (0, 1)] == [8, 11]
    assert float(compiled(x, shift=np.float64(0), scale={"k": np.ones(3)})) == 3
    assert grad(lambda x: ops.sum(grad(f)(x, scale, shift=x) * x))(x).tolist() == [1, 2, 3]


@pytest.mark.parametrize("argnums", [(0, 1), None, 1.0, True])
def test_one_argument_at_a_time_is_differentiated_by(argnums):
    for transform in (value_and_grad, grad):
        with pytest.raises(TypeError, match=r"argnums is the position of one argument; .*into one list or dict"):
            transform(ops.sum, argnums)
        with pytest.raises(ValueError, match="argnums is 2, but 1 arguments are given by position"):
            transform(ops.sum, 2)(np.ones(3))


@pytest.mark.parametrize("dtype", ["float16", "longdouble", "complex128", "U1", "O"])
def test_dtypes_that_programs_do_not_know_are_named(dtype):
    with pytest.raises(TypeError, match="functions take float32, float64, integers and bools; an argument is"):
        gpubp.compile(ops.sum)(np.ones(3).astype(dtype))


def test_arrays_of_the_other_byte_order_are_read_right():
    assert gpubp.compile(lambda x: x * 2)(np.arange(3, dtype=">f8")).tolist() == [0, 2, 4]


def test_arrays_on_the_left_of_an_operator_record():
    a = np.array([2.0, 4.0])
    for f, wanted in (
        (lambda x: a - x, [1, 3]),
        (lambda x: a / x, [2, 4]),
        (lambda x: np.float64(3) * x, [3, 3]),
        (lambda x: a @ x, 6),
    ):
        assert gpubp.compile(f)(np.ones(2)).tolist() == wanted


def test_python_numbers_are_weak_and_mixed_arrays_promote():
    x = np.ones(2, np.float32)
    assert gpubp.compile(lambda x: x * 2.5 + 1)(x).dtype == np.float32
    assert gpubp.compile(lambda x: x * np.ones(2))(x).dtype == np.float64
    assert gpubp.compile(lambda x: x + np.arange(2))(x).dtype == np.float32
    assert gpubp.compile(lambda x: x > 0)(x).dtype == bool
    assert ops.add(x, np.arange(2)).dtype == np.float32
