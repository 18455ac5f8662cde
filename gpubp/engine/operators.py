"""Python's operators on symbols and variables, as the ops that they stand for."""

import sys
from pathlib import Path
from typing import Any

import numpy as np

from gpubp import ops
from gpubp.ops.registry import is_weak

UFUNCS = {
    name: name
    for name in (
        *("add", "subtract", "multiply", "divide", "power", "matmul", "floor_divide"),
        *("greater", "greater_equal", "less", "less_equal", "equal", "not_equal"),
    )
}
UFUNCS |= {"remainder": "mod", "bitwise_and": "logical_and", "bitwise_or": "logical_or", "bitwise_xor": "logical_xor"}

PACKAGES = (str(Path(__file__).parents[1]), str(Path(np.__file__).parent))


def users_line() -> str:
    """The innermost line outside of this package and of NumPy."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(PACKAGES):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_operand(x) -> bool:
    """Whether elements can be compared with this: a number, an array, a symbol or a variable."""
    return is_weak(x) or hasattr(x, "dims") or isinstance(x, np.ndarray | np.generic)


class Operators:
    """Base of what operators compute with by ops: recorded on symbols, at once on the values of variables.

    Elements are compared by == too, so that whoever asks whether something is the same object must use `is`, a set or
    a dict.
    """

    __hash__ = object.__hash__

    def __getitem__(self, key):
        return ops.getitem(self, key)

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        """An operator whose left side is an array comes here; np.exp(symbol) and the like are refused."""
        if method != "__call__" or kwargs or ufunc.__name__ not in UFUNCS:
            return self._refuse_ufunc(ufunc, method, *inputs, **kwargs)
        return getattr(ops, UFUNCS[ufunc.__name__])(*inputs)

    def _refuse_ufunc(self, ufunc, method, *inputs, **kwargs):
        return NotImplemented

    def __add__(self, other):
        return ops.add(self, other)

    def __radd__(self, other):
        return ops.add(other, self)

    def __sub__(self, other):
        return ops.subtract(self, other)

    def __rsub__(self, other):
        return ops.subtract(other, self)

    def __mul__(self, other):
        return ops.multiply(self, other)

    def __rmul__(self, other):
        return ops.multiply(other, self)

    def __truediv__(self, other):
        return ops.divide(self, other)

    def __rtruediv__(self, other):
        return ops.divide(other, self)

    def __floordiv__(self, other):
        return ops.floor_divide(self, other)

    def __rfloordiv__(self, other):
        return ops.floor_divide(other, self)

    def __mod__(self, other):
        return ops.mod(self, other)

    def __rmod__(self, other):
        return ops.mod(other, self)

    def __matmul__(self, other):
        return ops.matmul(self, other)

    def __rmatmul__(self, other):
        return ops.matmul(other, self)

    def __eq__(self, other):
        return ops.equal(self, other) if is_operand(other) else NotImplemented

    def __ne__(self, other):
        return ops.not_equal(self, other) if is_operand(other) else NotImplemented

    def __gt__(self, other):
        return ops.greater(self, other)

    def __ge__(self, other):
        return ops.greater_equal(self, other)

    def __lt__(self, other):
        return ops.less(self, other)

    def __le__(self, other):
        return ops.less_equal(self, other)

    def __neg__(self):
        return ops.negative(self)

    def __pos__(self):
        return self

    def __pow__(self, other):
        return ops.square(self) if is_weak(other) and other == 2 else ops.power(self, other)

    def __rpow__(self, other):
        return ops.power(other, self)

    def __abs__(self):
        return ops.abs(self)

    def __invert__(self):
        return ops.logical_not(self._truth())

    def __and__(self, other):
        return ops.logical_and(self._truth(), other)

    def __or__(self, other):
        return ops.logical_or(self._truth(), other)

    def __xor__(self, other):
        return ops.logical_xor(self._truth(), other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def _truth(self: Any):
        if self.dtype.kind != "b":
            raise TypeError(f"{users_line()}: ~, &, | and ^ are for bools; this is {self!r}")
        return self
