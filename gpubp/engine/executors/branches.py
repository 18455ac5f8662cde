"""Which products of a step run beside the rest: those of weights' gradients, which nobody reads before the update.

They are put into the device's second queue, and the first one waits for them where it would touch what they work on.
"""

from gpubp.engine.executors.lower_cuda import Call, Product
from gpubp.engine.plan import GRADS, Operand

JOIN = "join"


def branched(calls: list[Call | Product]) -> list[tuple[Call | Product | str, bool]]:
    """The calls of a step, each with whether it goes into the second queue, and JOIN where the first one waits."""
    found: list[tuple[Call | Product | str, bool]] = []
    beside: list[Product] = []
    for call in _gradients_first(calls):
        if _is_gradient(call):
            beside.append(call)
            found.append((call, True))
            continue
        if any(_meet(call, product) for product in beside):
            found.append((JOIN, False))
            beside = []
        found.append((call, False))
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
    if isinstance(call, Product):
        touched, written = call.operands, [call.c]
    else:  # a kernel may write whatever it gets
        touched = written = [x for x in call.arguments if isinstance(x, Operand)]
    return any(x.overlaps(beside.c, rows) for x in touched) or any(x.overlaps(y, rows) for x in written for y in reads)
