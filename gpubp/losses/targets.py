"""Predictions and the targets that go with them: dtypes, shapes, and the logits that predictions come from."""

import numpy as np

from gpubp import ops
from gpubp.ops.registry import dims, graph_of, value
from gpubp.ops.shapes import public, told

EPSILON = 1e-7  # probabilities are kept this far from 0 and 1, as in Keras
NO_LABEL = -(2.0**63)  # stands for a label that is not an integer where a step is recorded: out of every range


def outputs(what: str, y_true, y_pred):
    """Numbers, each with a target of its own: (rows, ...) of one shape and dtype; (rows,) counts as (rows, 1)."""
    y_true, y_pred = value(y_true), in_dtype(value(y_pred))
    y_true, y_pred = (ops.expand_dims(y, -1) if len(dims(y)) == 1 else y for y in (y_true, y_pred))
    return _alike(what, *same_rank(y_true, y_pred))


def distributions(what: str, y_true, y_pred):
    """Numbers that belong together along an axis, such as the probabilities of classes: one shape and dtype."""
    return _alike(what, value(y_true), in_dtype(value(y_pred)))


def labels(what: str, y_true, y_pred):
    """int64 labels (...) or (..., 1), as (...), with predictions (..., classes). Floats that are integers will do.

    Raises:
        TypeError: for labels that are not numbers.
        ValueError: for shapes that do not fit, and for an array of labels that are not integers.
    """
    y_true, y_pred = value(y_true), in_dtype(value(y_pred))
    if len(dims(y_true)) == len(dims(y_pred)) and dims(y_true)[-1:] == (1,):
        y_true = ops.squeeze(y_true, -1)
    if not dims(y_pred) or dims(y_true) != dims(y_pred)[:-1]:
        raise ValueError(
            f"{what} takes integer labels of shape (rows,) with predictions (rows, classes); the labels have shape "
            f"{public(dims(y_true))}, the predictions {public(dims(y_pred))}. "
            "For one-hot labels use CategoricalCrossentropy"
        )
    if y_true.dtype.kind not in "iubf":
        raise TypeError(f"{what} takes integer labels; they are {y_true.dtype}: pass y.astype('int64')")
    if isinstance(y_true, np.ndarray):
        refuse_fractions(what, y_true)
    elif y_true.dtype.kind == "f":
        y_true = ops.where(ops.equal(y_true, ops.floor(y_true)), y_true, NO_LABEL)
    return ops.cast(y_true, np.int64), y_pred


def refuse_fractions(what: str, y_true: np.ndarray):
    """Raises ValueError that names the first of the labels that is not an integer."""
    if y_true.dtype.kind != "f":
        return
    wrong = np.argwhere(y_true != np.floor(y_true))
    if len(wrong):
        first, where = y_true[tuple(wrong[0])], f" (row {wrong[0][0]})" if y_true.ndim else ""
        raise ValueError(f"{what} takes integer labels; the first that is none is {first}{where}")


def _alike(what, y_true, y_pred):
    if dims(y_true) != dims(y_pred):
        integers = y_true.dtype.kind in "iu"
        hint = ". For integer labels of classes use SparseCategoricalCrossentropy" if integers else ""
        given, wanted = told(dims(y_true), dims(y_pred))
        raise ValueError(
            f"{what}: targets must have the shape of the predictions, {wanted}; they have shape {given}{hint}"
        )
    return ops.cast(y_true, y_pred.dtype), y_pred


def same_rank(y_true, y_pred):
    """(rows,) beside (rows, 1) as (rows, 1), on either side."""
    ranks = len(dims(y_true)), len(dims(y_pred))
    if ranks[0] == ranks[1] - 1 and dims(y_pred)[-1] == 1:
        return ops.expand_dims(y_true, -1), y_pred
    if ranks[1] == ranks[0] - 1 == 1 and dims(y_true)[-1] == 1:
        return y_true, ops.expand_dims(y_pred, -1)
    return y_true, y_pred


def in_dtype(y_pred, dtype=None):
    """Predictions in a dtype, by default their own, or float32 where they are integers; with their logits."""
    dtype = np.dtype(dtype or (np.float32 if y_pred.dtype.kind in "iub" else y_pred.dtype))
    cast = ops.cast(y_pred, dtype)
    known = getattr(y_pred, "logits", None)
    if known and cast is not y_pred:
        cast.logits = (known[0], ops.cast(known[1], dtype), known[2])
    return cast


def logits_of(y_pred, activation: str, axis: int = -1):
    """What went into the activation that a recorded prediction came out of; None if that is not known."""
    known = getattr(y_pred, "logits", None) if graph_of(y_pred) else None
    if not known or known[0] != activation:
        return None
    rank = len(dims(y_pred))
    return known[1] if known[2] is None or known[2] % rank == axis % rank else None
