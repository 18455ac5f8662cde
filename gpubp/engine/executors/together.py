"""Which calls of a step share a launch: of small kernels, launches cost more than what they compute.

Threads of one launch do not wait for those of other blocks. So it holds what a single thread does one by one, or what
no thread need wait for.
"""

from collections.abc import Iterable
from dataclasses import replace

from gpubp.engine.executors.calls import Call, Product
from gpubp.kernels.cuda.generate import one_after_the_other

MOST_ARGUMENTS = 500  # of eight bytes, all of which a launch takes on any device


def together(calls: Iterable[Call | Product]) -> list[Call | Product]:
    """The calls, in their order; neighbours that share a launch are one."""
    found: list[Call | Product] = []
    for call in calls:
        one = _joined(found[-1], call) if found else None
        found[-1 if one else len(found) :] = [one or call]
    return found


def _joined(before: Call | Product, call: Call | Product) -> Call | None:
    """One launch of both, if all is done by one thread, or neither minds what the other does; None else."""
    if isinstance(before, Product) or isinstance(call, Product):
        return None
    one_thread = before.shape.threads == call.shape.threads == 1
    side_by_side = before.independent and call.independent and before.shape.block == call.shape.block
    if not (one_thread or side_by_side) or len(before.arguments) + len(call.arguments) > MOST_ARGUMENTS:
        return None
    return replace(
        before,
        source=one_after_the_other([before.source, call.source]),
        families=(*before.families, *call.families),
        shape=max(before.shape, call.shape, key=lambda shape: shape.threads),
        arguments=before.arguments + call.arguments,
        writes=before.writes + call.writes,
    )
