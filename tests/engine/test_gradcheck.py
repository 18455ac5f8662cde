"""gradcheck passes right gradients, and names what is wrong about others."""

import numpy as np
import pytest

from gpubp import gradcheck, ops
from gpubp.engine.gradcheck import GradientError
from gpubp.ops.registry import REGISTRY, Op, same_dtype

X = np.linspace(-1.0, 2.0, 6).reshape(2, 3)


def cube(dy_by_x):
    """An op that computes x^3, with a gradient rule of the test's own."""
    return Op(
        "cube",
        shape=lambda x: x,
        reference=lambda x: x * x * x,
        gradient=lambda dy, y, x: (dy * dy_by_x(x),),
        dtype=same_dtype,
        expression="{0} * {0} * {0}",
    )


@pytest.mark.parametrize("elementwise", [True, False])
@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_a_right_gradient_passes_to_second_order(elementwise, executor):
    right = cube(lambda x: 3.0 * x * x)
    assert gradcheck(right, X, order=2, elementwise=elementwise, executor=executor) < 1e-7


@pytest.mark.parametrize("elementwise", [True, False])
def test_a_wrong_gradient_is_found(elementwise):
    wrong = cube(lambda x: 3.0001 * x * x)
    with pytest.raises(GradientError, match="the derivative by argument 0"):
        gradcheck(wrong, X, elementwise=elementwise)
    assert gradcheck(wrong, X, elementwise=elementwise, rtol=1e-3) > 1e-5


def test_a_gradient_that_is_right_once_but_not_twice_is_found():
    once = cube(lambda x: 3.0 * x * ops.stop_gradient(x))
    assert gradcheck(once, X) < 1e-7
    with pytest.raises(GradientError, match="the second derivative by argument 0"):
        gradcheck(once, X, order=2)


def test_a_gradient_that_is_nan_or_missing_is_found():
    with pytest.raises(GradientError):
        gradcheck(cube(lambda x: x * np.nan), X)
    with pytest.raises(GradientError, match=r"give (3|2\.9+)\.?\d*, the gradient 0;"):
        gradcheck(lambda x: ops.stop_gradient(x) * 3.0, np.float64(1.0), elementwise=True)


def test_the_message_names_leaf_element_values_and_step():
    wrong = cube(lambda x: 4.0 * x * x)
    with pytest.raises(GradientError) as raised:
        gradcheck(
            lambda x, p: ops.sum(p["a"]["b"][1] * 2.0 + wrong(p["w"]) * x),
            X,
            {"a": {"b": [X, X]}, "w": X},
            argnums=1,
            elementwise=True,
        )
    assert "argument 1['w'][0, 0]" in str(raised.value)
    assert "of step 6e-06 give -3" in str(raised.value)
    assert "the gradient -4;" in str(raised.value)


def test_functions_that_do_not_depend_on_the_argument_have_no_gradient():
    assert gradcheck(lambda x: ops.sum(X * 2.0) + ops.stop_gradient(ops.sum(x)) * 0.0, X) == 0


def test_what_is_not_float64_is_refused():
    with pytest.raises(TypeError, match=r"argument 0\['w'\] is float32; .* pass it as np\.asarray"):
        gradcheck(lambda p: ops.sum(p["w"]), {"w": X.astype(np.float32)})
    with pytest.raises(TypeError, match="argument 1 is float32"):
        gradcheck(lambda w, x: ops.sum(w * x), X, X.astype(np.float32))
    with pytest.raises(TypeError, match="argument 0 is int64"):
        gradcheck(lambda w: ops.sum(w), np.arange(3))
    with pytest.raises(TypeError, match="the function gave float32"):
        gradcheck(lambda w: ops.cast(w, np.float32), X)
    with pytest.raises(ValueError, match="order is 1 or 2"):
        gradcheck(ops.tanh, X, order=3)


def test_integers_beside_the_argument_are_welcome():
    labels = np.array([0, 2])
    loss = lambda z, y: ops.sum(ops.logsumexp(z, -1) - ops.sum(ops.where(ops.label_mask(y, 3), z, 0.0), axis=-1))  # noqa: E731
    assert gradcheck(loss, X, labels, order=2) < 1e-7


def test_a_planted_op_is_not_registered():
    assert "cube" not in REGISTRY
