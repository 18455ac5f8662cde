"""The loop that runs a program: a table of rows, for many steps, with no Python in between."""

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.layout import ADVANCES, DONE, GUARD, KERNEL, MOVES, OK, ROWS, STARTS, STATUS, STEPS, TABLE
from gpubp.kernels.cpu.native import call, ints


@jit
def run(context, arguments):
    """Runs steps until all are done or the status is set when the row `guard`, the first of the update, is reached.

    After each step the addresses that `moves` lists in the context advance, as those of the batches' order do.
    """
    ctx, args = ints(context), ints(arguments)
    table, starts, moves = ints(args[TABLE]), ints(args[STARTS]), ints(args[MOVES])
    args[DONE] = 0
    for _ in range(args[STEPS]):
        for r in range(args[ROWS]):
            if r == args[GUARD] and ctx[STATUS] != OK:
                return
            call(table[starts[r] + KERNEL], context, args[TABLE] + 8 * starts[r])
        if ctx[STATUS] != OK:
            return
        for k in range(args[ADVANCES]):
            ctx[moves[2 * k]] += moves[2 * k + 1]
        args[DONE] += 1
