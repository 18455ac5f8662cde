"""What compiled code needs to work on a program's memory, which `layout` describes: addresses, and calls by address."""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.layout import BAD_INDEX, FAILED_ROW, NOT_FINITE, NUMBER, OK, STATUS

I64 = ir.IntType(64)


@intrinsic
def call(typingctx, function, *args):
    """Calls the function of int64 at an address, such as a kernel with the context and its row."""
    count = len(args)

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(ir.VoidType(), [I64] * count).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), cgutils.unpack_tuple(builder, args[1]))
        return context.get_dummy_value()

    return types.void(types.int64, types.UniTuple(types.int64, count)), codegen


@intrinsic
def ints(typingctx, address):
    """The int64 numbers from an address on."""

    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], I64.as_pointer())

    return types.CPointer(types.int64)(types.int64), codegen


# How a kernel finds its arrays, as LLVM operations: the same in Python takes four times as long to compile.


@intrinsic(prefer_literal=True)
def operand(typingctx, ctx, row, position, dtype, rank):
    """The array that the numbers of a row from `position` on tell of: its segment, its place there, its shape."""
    return _found(ctx, row, position, dtype, rank, lambda builder, word, length: word(2))


@intrinsic(prefer_literal=True)
def open_operand(typingctx, ctx, row, position, dtype, rank):
    """An array with as many rows as its segment holds: those of the caller's arrays no table knows."""

    def rows(builder, word, length):
        size = I64(np.dtype(dtype.dtype.name).itemsize)
        for d in range(1, rank.literal_value):
            size = builder.mul(size, word(2 + d))
        return builder.sdiv(length, size)

    return _found(ctx, row, position, dtype, rank, rows)


@intrinsic(prefer_literal=True)
def narrowed(typingctx, array, columns):
    """The array, known to have so many columns: so the compiler knows that its rows do not overlap."""

    def codegen(context, builder, sig, args):
        given = make_array(array)(context, builder, args[0])
        shape = [*cgutils.unpack_tuple(builder, given.shape)[:-1], I64(columns.literal_value)]
        return _contiguous(context, builder, array, given.data, shape)

    return array(array, columns), codegen


def _found(ctx, row, position, dtype, rank, rows):
    """The signature and the code of an intrinsic for operands: `rows` tells how many rows there are."""
    array = types.Array(dtype.dtype, rank.literal_value, "C")

    def codegen(context, builder, sig, args):
        def word(k):
            return builder.load(builder.gep(args[1], [I64(position.literal_value + k)]))

        address, length = (builder.load(builder.gep(args[0], [builder.add(word(0), I64(k))])) for k in (0, 1))
        place = builder.inttoptr(builder.add(address, word(1)), context.get_data_type(array.dtype).as_pointer())
        shape = [rows(builder, word, length), *(word(2 + d) for d in range(1, array.ndim))]
        return _contiguous(context, builder, array, place, shape)

    return array(ctx, row, position, dtype, rank), codegen


def _contiguous(context, builder, kind, data, shape):
    """An array structure in C order."""
    itemsize = I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [itemsize]
    for extent in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], extent))
    array = make_array(kind)(context, builder)
    populate_array(array, data=data, shape=shape, strides=strides, itemsize=itemsize, meminfo=None)
    return array._getvalue()


@intrinsic
def double(typingctx, bits):
    """The float64 of these bits: rows are made of integers."""

    def codegen(context, builder, sig, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), codegen


@jit
def added(total, x):
    """total + x, in whatever order a loop of such additions is fastest."""
    return total + x


@jit
def fail(ctx, row, status):
    """Keeps the first failure. The kernel goes on, and the program stops before the update."""
    if ctx[STATUS] == OK:
        ctx[STATUS] = status
        ctx[FAILED_ROW] = row[NUMBER]


@jit
def checked_index(ctx, row, index, n):
    """The index, or 0 and a failure where it is out of range: kernels never trust data."""
    if 0 <= index < n:
        return index
    fail(ctx, row, BAD_INDEX)
    return 0


@jit
def clamped_index(index, n):
    """The index, or 0 where it is out of range and a check has told so already."""
    return index if 0 <= index < n else 0


@jit
def checked_finite(ctx, row, x):
    if not np.fabs(x) < np.inf:  # as `f32.isfinite`
        fail(ctx, row, NOT_FINITE)
    return x
