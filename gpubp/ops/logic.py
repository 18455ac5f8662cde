"""Questions about elements, what is made of their answers, and changes of dtype."""

import numpy as np

from gpubp.ops.pointwise import flat, pointwise, truth
from gpubp.ops.registry import Op, register, same_dtype, value


def _question(name, expression, reference, inputs, **rules) -> Op:
    return pointwise(name, expression, reference, flat(inputs), truth, smooth=False, **rules)


greater = _question("greater", "{0} > {1}", np.greater, 2)
greater_equal = _question("greater_equal", "{0} >= {1}", np.greater_equal, 2)
less = _question("less", "{0} < {1}", np.less, 2)
less_equal = _question("less_equal", "{0} <= {1}", np.less_equal, 2)
equal = _question("equal", "{0} == {1}", np.equal, 2)
not_equal = _question("not_equal", "{0} != {1}", np.not_equal, 2)
isnan = _question("isnan", "isnan", np.isnan, 1)
isinf = _question("isinf", "isinf", np.isinf, 1)
isfinite = _question("isfinite", "isfinite", np.isfinite, 1)

_EACH_WITH_EACH: tuple = (((np.array([[False], [True]]), np.array([False, True])), {}),)
_and = _question("logical_and", "{0} & {1}", np.logical_and, 2, examples=_EACH_WITH_EACH)
_or = _question("logical_or", "{0} | {1}", np.logical_or, 2, examples=_EACH_WITH_EACH)
_xor = _question("logical_xor", "{0} != {1}", np.logical_xor, 2, examples=_EACH_WITH_EACH)
_not = _question("logical_not", "not {0}", np.logical_not, 1, examples=(((np.array([False, True]),), {}),))

where: Op = pointwise(
    "where",
    "select",
    np.where,
    lambda dy, y, condition, a, b: (None, where(condition, dy, 0.0), where(condition, 0.0, dy)),
    dtype=lambda condition, a, b: a,
    common=(1, 2),
    smooth=False,
    examples=(
        ((np.array([True, False, True]), (2, 3), (2, 1)), {}),
        ((np.array([[True], [False]]), (3,), (2, 3)), {}),
    ),
)

_cast = pointwise(
    "cast",
    "cast",
    lambda x, dtype: x.astype(dtype),
    lambda dy, y, x, dtype: (cast(dy, x.dtype) if np.dtype(dtype).kind == "f" and x.dtype.kind == "f" else None,),
    dtype=lambda x, dtype: np.dtype(dtype),
    common=(),
    examples=((((3, 4),), {"dtype": "float64"}),),
)
stop_gradient = register(
    "stop_gradient",
    shape=lambda x: x,
    reference=lambda x: x,
    gradient=flat(1),
    dtype=same_dtype,
    view=True,
    smooth=False,
)


def cast(x, dtype):
    """`x` in another dtype; itself if it has that dtype already."""
    dtype = np.dtype(dtype)
    return x if getattr(x, "dtype", None) == dtype else _cast(x, dtype=dtype.name)


def logical_and(x1, x2):
    """Whether both are true (not zero), element by element."""
    return _and(_true(x1), _true(x2))


def logical_or(x1, x2):
    """Whether one or both are true (not zero), element by element."""
    return _or(_true(x1), _true(x2))


def logical_xor(x1, x2):
    """Whether one of the two is true (not zero), but not both, element by element."""
    return _xor(_true(x1), _true(x2))


def logical_not(x):
    """Whether an element is false (zero)."""
    return _not(_true(x))


def _true(x):
    return cast(value(x), bool)
