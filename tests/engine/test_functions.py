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
