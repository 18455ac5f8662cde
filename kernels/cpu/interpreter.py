"""The loop that runs a program: a table of rows, for many steps, with no Python in between."""

from gpubp.kernels.cpu import layout
from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.meeting import meet
from gpubp.kernels.cpu.native import call, ints


@jit
def run(context, arguments):
    """Runs steps until all are done or the status is set when the row `guard`, the first of the update, is reached.

    After each step the addresses that `moves` lists in the context advance, as those of the batches' order do.
    """
    ctx, args = ints(context), ints(arguments)
    table, starts, moves = ints(args[layout.TABLE]), ints(args[layout.STARTS]), ints(args[layout.MOVES])
    args[layout.DONE] = 0
    if _verdict(ctx, args) != layout.OK:
        return
    for _ in range(args[layout.STEPS]):
        for r in range(args[layout.ROWS]):
            if r == args[layout.GUARD] and _verdict(ctx, args) != layout.OK:
                return
            call(table[starts[r] + layout.KERNEL], context, args[layout.TABLE] + 8 * starts[r])
        # The meeting at the guard, for a thread with no rows behind it; then that at the end of the step.
        if args[layout.GUARD] == args[layout.ROWS] and _verdict(ctx, args) != layout.OK:
            return
        if _verdict(ctx, args) != layout.OK:
            return
        for k in range(args[layout.ADVANCES]):
            ctx[moves[2 * k]] += moves[2 * k + 1]
        args[layout.DONE] += 1


@jit
def _verdict(ctx, args):
    """The status, or that of all threads where there are several, each with a context and a table of its own."""
    return (
        ctx[layout.STATUS]
        if args[layout.THREADS] == 1
        else meet(args[layout.MEETING], args[layout.THREADS], ctx[layout.STATUS])
    )
