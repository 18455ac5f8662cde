"""Why a step stopped: it is replayed by the reference executor, instruction by instruction."""

import numpy as np

from gpubp.engine.executors.reference import Reference, Values
from gpubp.engine.trace import Symbol


class NonFiniteError(FloatingPointError):
    """The loss was not finite. The model is as it was before that step."""


def failure(executor, rows: int, where: str) -> Exception:
    """The error to raise for the step at which an executor has stopped. The step has changed no variable.

    Arguments:
        executor: its memory stands at the step that failed.
        rows: of the step's batch.
        where: which step that is, for the message.
    """
    program, memory = executor.program, executor.memory.on_host()
    replay = Reference(program, None, memory=memory)
    for part in program.parts:
        if part.name == program.guard:
            break
        error = _failing_instruction(part, memory, rows)
        if error:
            # Functions, which have no scalars, have no steps and no weights either.
            after = "; the weights are as before that step" if program.scalars else ""
            return type(error)(f"{where}: {error}{after}")
        replay.run_part(part, rows)
    return NonFiniteError(
        f"{where}: the loss is not finite, though the reference computes it; the weights are as before"
    )


def _failing_instruction(part, memory, rows) -> Exception | None:
    values, culprit, computed = Values(part, memory, rows), None, 0
    try:
        for instruction, result in values.compute(part.graph):
            computed += 1
            if culprit is None and result.dtype.kind == "f" and not np.isfinite(result).all():
                culprit = instruction, _given(instruction, values)
    except IndexError as error:
        return ValueError(f"{error}{_layer(part.graph[computed])}")
    except FloatingPointError:  # that of the loss, whose cause has been met before
        pass
    if culprit is None:
        return None
    instruction, given = culprit
    return NonFiniteError(
        "the loss is not finite. The first values that are not finite come out of "
        f"{instruction.name!r}{_layer(instruction)}{given}"
    )


def _layer(instruction) -> str:
    scopes = instruction.scopes
    return f" in the layer {scopes[0]!r}" if scopes else ""


def _given(instruction, values: Values) -> str:
    """Whether the values were so already when they came in."""
    for x in instruction.inputs:
        array = values[x]
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            wrong = np.argwhere(~np.isfinite(array))
            first = f", the first in row {wrong[0][0]}" if array.ndim else ""
            return f", whose input {_what(x)} holds {len(wrong)} of them already{first}"
    return ""


def _what(symbol: Symbol) -> str:
    place = symbol.place
    if place is None:
        return "from the step before"
    return {"data": "batch", "params": "of weights"}.get(place.segment, repr(place.segment))
