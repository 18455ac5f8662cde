"""LLVM operations that Numba has no name for."""

import os

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

WORD = ir.IntType(64).as_pointer()


def _bitcast(source, target):
    """An intrinsic that reads the bits of a `source` as a `target` of the same width."""

    def typed(typingctx, value):
        if value != source:
            return None

        def codegen(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), codegen

    return intrinsic(typed)


def _extremum(name):
    """An intrinsic for the LLVM operation `name` on two floats of one type."""

    def typed(typingctx, a, b):
        if a != b or not isinstance(a, types.Float):
            return None

        def codegen(context, builder, signature, args):
            float_type = args[0].type
            function = ir.FunctionType(float_type, [float_type, float_type])
            return builder.call(builder.module.declare_intrinsic(name, [float_type], function), args)

        return a(a, a), codegen

    return intrinsic(typed)


to_bits = _bitcast(types.float32, types.int32)
from_bits = _bitcast(types.int32, types.float32)

# NaN from either side comes through. Written as comparisons, a maximum over a row is not vectorised (24 times slower).
maximum = _extremum("llvm.maximum")
minimum = _extremum("llvm.minimum")


@intrinsic
def prefetch(typingctx, address):
    """Has the line of memory at an address brought into the cache; of any address, nothing fails."""

    def codegen(context, builder, signature, args):
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        hints = [ir.Constant(number, x) for x in (0, 3, 1)]  # to read, near, data
        builder.call(function, [builder.inttoptr(args[0], byte), *hints])
        return context.get_dummy_value()

    return types.void(types.int64), codegen


@intrinsic
def atomic_add(typingctx, address, n):
    """Adds n to the int64 at an address; what it was before."""

    def codegen(context, builder, signature, args):
        return builder.atomic_rmw("add", builder.inttoptr(args[0], WORD), args[1], "acq_rel")

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def atomic_load(typingctx, address):
    """The int64 at an address, and with it all that was written before it was stored."""

    def codegen(context, builder, signature, args):
        return builder.load_atomic(builder.inttoptr(args[0], WORD), "acquire", 8)

    return types.int64(types.int64), codegen


@intrinsic
def atomic_store(typingctx, address, n):
    """Stores an int64 at an address, after all that was written before."""

    def codegen(context, builder, signature, args):
        builder.store_atomic(args[1], builder.inttoptr(args[0], WORD), "release", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def pause(typingctx):
    """Tells the processor that this is a loop that waits; where that is known."""

    def codegen(context, builder, signature, args):
        if "x86" in context.codegen().magic_tuple()[0]:
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def give_way(typingctx):
    """Lets other threads have this processor, where the system has such a call."""

    def codegen(context, builder, signature, args):
        if os.name == "posix":
            kind = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def allocate(typingctx, size):
    """The address of so many bytes that nobody else uses, by the C library."""

    def codegen(context, builder, signature, args):
        function = ir.FunctionType(ir.IntType(8).as_pointer(), [ir.IntType(64)])
        found = builder.call(cgutils.get_or_insert_function(builder.module, function, "malloc"), args)
        return builder.ptrtoint(found, ir.IntType(64))

    return types.int64(types.int64), codegen


@intrinsic
def release(typingctx, address):
    """Gives back what `allocate` found."""

    def codegen(context, builder, signature, args):
        byte = ir.IntType(8).as_pointer()
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.VoidType(), [byte]), "free")
        builder.call(function, [builder.inttoptr(args[0], byte)])
        return context.get_dummy_value()

    return types.void(types.int64), codegen
