"""A program as a database shows a query plan: what each instruction costs, could cost and does cost, and the memory."""

from gpubp.backend import current_device
from gpubp.engine.explain.analyze import analysis
from gpubp.engine.explain.bounds import floor, rates
from gpubp.engine.explain.costs import flops, footprint, traffic
from gpubp.engine.explain.explanation import Explanation, Row
from gpubp.engine.explain.memory import arena
from gpubp.engine.plan import Operand
from gpubp.engine.program import Program
from gpubp.ops.shapes import at, public, size

__all__ = ["Explanation", "Row", "explain"]


def explain(
    program: Program, rows: int, store=None, names: dict[str, Operand] | None = None, analyze: bool = False
) -> Explanation:
    """The instructions of a program for a batch, with their arithmetic, traffic and floors, and its memory.

    Arguments:
        program: what runs.
        rows: of the batch, at most as many as the program was planned for.
        store: that of the variables; None if the program has none.
        names: further places by what they are called. Default none.
        analyze: whether the instructions are timed, on random data and copies of the variables. Default False.
    """
    code = [(part, i) for part in program.parts for i in part.code]
    seconds, step = analysis(program, rows, store) if analyze else ([None] * len(code), None)
    table = [_row(number, part, i, rows, seconds[number]) for number, (part, i) in enumerate(code)]
    largest = max((footprint(part, i, rows) for part, i in code), default=0)
    return Explanation(
        rows=table,
        batch_size=rows,
        device=current_device().setting,
        rates=rates(largest),
        memory=arena(program, rows, store, names or {}),
        step_seconds=step,
    )


def _row(number, part, i, rows, seconds) -> Row:
    out = max(i.outputs, key=lambda x: size(at(x.dims, rows)))
    place = part.places[out]
    return Row(
        number=number,
        part=part.name,
        ops=tuple(step.op.name for step in i.steps),
        layers=i.scopes,
        shape=public(out.dims),
        kept_in=place.number,
        segment=place.segment,
        offset=place.offset,
        flops=flops(i, rows),
        bytes=traffic(part, i, rows),
        floor=floor(part, i, rows),
        seconds=seconds,
    )
