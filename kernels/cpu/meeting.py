"""Where threads meet: none goes on before all have arrived, and all learn whether one of them has failed."""

from gpubp.kernels.cpu.flags import jit
from gpubp.kernels.cpu.intrinsics import atomic_add, atomic_load, atomic_store, give_way, pause
from gpubp.kernels.cpu.layout import ARRIVED, CANCELLED, FAILED, OK, ROUND, VERDICT

PATIENCE = 2000  # times that a thread looks whether the others are there, before it lets others have the processor
WORD = 8


@jit
def meet(place, threads, status):
    """Waits for all threads; a status that one of them came with, OK if all is well.

    place: the address of the meeting. The last to arrive passes the verdict, which stands until the next one passes
    his, for which all must have arrived again: so all read the same. A meeting is cancelled where some will never come.
    """
    turn = atomic_load(place + WORD * ROUND)
    if status != OK:
        atomic_store(place + WORD * FAILED, status)
    if atomic_add(place + WORD * ARRIVED, 1) == threads - 1:
        atomic_store(place + WORD * ARRIVED, 0)
        atomic_store(place + WORD * VERDICT, atomic_load(place + WORD * FAILED))
        atomic_store(place + WORD * ROUND, turn + 1)
    looked = 0
    while atomic_load(place + WORD * ROUND) == turn:
        looked += 1
        if atomic_load(place + WORD * CANCELLED) and atomic_load(place + WORD * ROUND) == turn:
            return CANCELLED  # not a status, but not OK either
        if looked > PATIENCE:
            give_way()
        else:
            pause()
    return atomic_load(place + WORD * VERDICT)


@jit
def meeting(ctx, row, place, threads):
    """The kernel between two instructions of which one is shared. The verdict is asked for elsewhere."""
    meet(place, threads, OK)
