"""LLVM's instructions on vectors, for kernels whose registers are to be counted."""

from llvmlite import ir
from numba import types
from numba.core import cgutils

from gpubp.kernels.cpu.processor import VECTOR

I1, I32, I64 = (ir.IntType(bits) for bits in (1, 32, 64))


class Vectors:
    """Writes instructions on vectors of one type of element.

    Arguments:
        builder: of LLVM's instructions.
        element: Numba's type, float32 or float64.
    """

    def __init__(self, builder, element: types.Float):
        self.builder, self.size = builder, element.bitwidth // 8
        self.lanes = VECTOR // self.size
        self.element = ir.FloatType() if self.size == 4 else ir.DoubleType()
        self.type = ir.VectorType(self.element, self.lanes)
        self.mask = ir.VectorType(I1, self.lanes)
        self.zero = ir.Constant(self.type, None)

    def first(self, lanes):
        """The mask of so many lanes, the first ones. Numbers as wide as elements spare a change of width."""
        whole = ir.IntType(8 * self.size)
        numbers = ir.Constant(ir.VectorType(whole, self.lanes), [ir.Constant(whole, i) for i in range(self.lanes)])
        count = lanes if self.size == 8 else self.builder.trunc(lanes, whole)
        return self.builder.icmp_signed("<", numbers, self.spread(count, numbers.type))

    def spread(self, scalar, kind):
        """A vector of which each lane is the scalar."""
        nothing = ir.Constant(kind, ir.Undefined)
        lone = self.builder.insert_element(nothing, scalar, ir.Constant(I32, 0))
        return self.builder.shuffle_vector(lone, nothing, ir.Constant(ir.VectorType(I32, self.lanes), None))

    def broadcast(self, address):
        """The element at an address, in each lane."""
        place = self.builder.inttoptr(address, self.element.as_pointer())
        return self.spread(self.builder.load(place), self.type)

    def load(self, address, mask=None):
        """The vector at an address; of a mask, the lanes that it leaves out are 0 and not read."""
        place = self.builder.inttoptr(address, self.type.as_pointer())
        if mask is None:
            loaded = self.builder.load(place)
            loaded.align = self.size
            return loaded
        kind = ir.FunctionType(self.type, [place.type, I32, self.mask, self.type])
        return self._call("llvm.masked.load", kind, place, ir.Constant(I32, self.size), mask, self.zero, pointer=True)

    def store(self, vector, address, mask=None):
        """Writes a vector to an address; the lanes that a mask leaves out stay what they are."""
        place = self.builder.inttoptr(address, self.type.as_pointer())
        if mask is None:
            self.builder.store(vector, place).align = self.size
        else:
            kind = ir.FunctionType(ir.VoidType(), [self.type, place.type, I32, self.mask])
            self._call("llvm.masked.store", kind, vector, place, ir.Constant(I32, self.size), mask, pointer=True)

    def multiply_add(self, a, b, c):
        """a b + c, rounded once."""
        return self._call("llvm.fma", ir.FunctionType(self.type, [self.type] * 3), a, b, c)

    def relu(self, x):
        """x where it is greater than 0 or NaN, else 0."""
        return self.builder.select(self.builder.fcmp_ordered("<=", x, self.zero), self.zero, x)

    def shuffle(self, a, b, order: list[int]):
        """The lanes that `order` numbers, of a and, from `lanes` on, of b."""
        chosen = ir.Constant(ir.VectorType(I32, self.lanes), [ir.Constant(I32, i) for i in order])
        return self.builder.shuffle_vector(a, b, chosen)

    def _call(self, operation, kind, *args, pointer=False):
        suffix = f".v{self.lanes}f{8 * self.size}" + (".p0" if pointer else "")
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, operation + suffix), args)
