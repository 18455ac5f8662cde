"""Which products of a step run beside the rest: those of weights' gradients, which nobody reads before the update.

They are put into the device's second queue, and the first one waits for them where it would touch what they work on.
"""

from itertools import chain, pairwise

from gpubp.engine.executors.calls import Call, Product
from gpubp.engine.plan import GRADS

JOIN = "join"


def branched(calls: list[Call | Product]) -> list[tuple[Call | Product | str, bool]]:
    """The calls of a step, each with whether it goes into the second queue, and JOIN where the first one waits.

    A gradient for which the very next call would wait stays in the first queue. Waiting is for what is in the second
    one at the time: so it comes before a gradient that goes there, if the call after that has to wait for others.
    """
    found: list[tuple[Call | Product | str, bool]] = []
    beside: list[Product] = []
    for call, after in pairwise(chain(_gradients_first(calls), [None])):
        aside = _is_gradient(call) and after is not None and not _meet(after, call)
        if any(_meet(after if aside else call, product) for product in beside):
            found.append((JOIN, False))
            beside = []
        if aside:
            beside.append(call)
        found.append((call, aside))
    return [*found, (JOIN, False)] if beside else found


def _is_gradient(call) -> bool:
    return isinstance(call, Product) and call.c.segment == GRADS


def _gradients_first(calls):
    """Gradients of weights before the product that they follow, so that the two run side by side."""
    ordered = list(calls)
    for k in range(1, len(ordered)):
        before, call = ordered[k - 1 : k + 1]
        if _is_gradient(call) and isinstance(before, Product) and not _is_gradient(before) and not _meet(before, call):
            ordered[k - 1 : k + 1] = call, before
    return ordered


def _meet(call: Call | Product, beside: Product) -> bool:
    """Whether a call touches what the product writes, or writes what it reads."""
    rows, reads = beside.rows, (beside.a, beside.b)
    return any(x.overlaps(beside.c, rows) for x in call.operands) or any(
        x.overlaps(y, rows) for x in call.writes for y in reads
    )
