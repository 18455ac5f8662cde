"""What compiled code needs to work on a program's memory: addresses, the context, calls by address.

A kernel is a C function void(context, row), both addresses of int64 arrays. The context begins with the status, the
addresses of BLAS and of our own products, and how large these may be; then follow, for each segment, its address and
its length in bytes. A row holds the kernel's address, the instruction's number and, for each operand, where in the
context its segment stands, its byte offset and its shape; then the kernel's options.
"""

import numba as nb
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gpubp.kernels.cpu.flags import STEPS, jit

STATUS, FAILED_ROW, SGEMM, DGEMM, STILES, DTILES, LIMIT, SEGMENTS = range(8)
KERNEL, NUMBER, OPERANDS = range(3)
OK, BAD_INDEX, NOT_FINITE = range(3)

I64 = ir.IntType(64)
entry = nb.cfunc(types.void(types.int64, types.int64), cache=True, nopython=True, **STEPS)


@intrinsic
def pointer(typingctx, address):
    def codegen(context, builder, sig, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


@intrinsic
def call(typingctx, function, *args):
    """Calls the function of int64 at an address, such as a kernel with the context and its row."""
    count = len(args)

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(ir.VoidType(), [I64] * count).as_pointer()
        builder.call(builder.inttoptr(args[0], kind), cgutils.unpack_tuple(builder, args[1]))
        return context.get_dummy_value()

    return types.void(types.int64, types.UniTuple(types.int64, count)), codegen


@jit
def ints(address):
    """The int64 array at an address; its end is not known here."""
    return nb.carray(pointer(address), 1 << 30, np.int64)


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
