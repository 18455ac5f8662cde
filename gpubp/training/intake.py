"""What a caller passes to fit, evaluate and predict, checked against the model before anything changes."""

import numpy as np

from gpubp.training import data
from gpubp.training.data import Rows
from gpubp.training.objective import naming


def rows_for(model, x, y=None, sample_weight=None, class_weight=None, fitting: bool = False) -> Rows:
    """The arrays of inputs, targets and weights; builds the model if that has not been done.

    Arguments:
        model: the model.
        x, y, sample_weight, class_weight: as of `fit`.
        fitting: whether the model is to learn from them, so that all must be finite. Default False.

    Raises:
        ValueError, TypeError: for what does not fit the model.
    """
    inputs = model._input_arrays(x)
    targets = [] if y is None else _targets(model, y)
    rows = Rows(inputs, targets, _weights(model, sample_weight, class_weight, targets))
    data.same_rows(rows)
    if fitting:
        for name, arrays in (("x", inputs), ("y", targets)):
            for k, array in enumerate(arrays):
                data.finite(_numbered(name, k, len(arrays)), array)
    _check_targets(model, targets)
    return rows


def _targets(model, y) -> list:
    """The targets of the outputs; None for those that nothing measures."""
    unmeasured = [goal.output for goal in model.goals() if goal.loss is None and not goal.measured]
    parts = data.leaves("y", y, model.output_names, optional=unmeasured)
    return [None if a is None else data.checked(_numbered("y", k, len(parts)), a) for k, a in enumerate(parts)]


def _weights(model, sample_weight, class_weight, targets) -> list:
    """The weights of the rows for each output; an empty list if there are none."""
    if sample_weight is None and class_weight is None:
        return []
    weights = _sample_weights(sample_weight, model.output_names)
    if class_weight is None:
        return weights
    if len(weights) > 1:
        raise ValueError("class_weight is for models with one output; use sample_weight")
    if not targets:
        raise ValueError("class_weight goes by labels, but there is no y")
    n, (given,) = targets[0].shape[0], weights
    classes = data.class_weights(targets[0], class_weight, n)
    return [classes if given is None else given * classes.reshape(n, *[1] * (given.ndim - 1))]


def _sample_weights(given, outputs: list[str]) -> list:
    if given is None:
        return [None] * len(outputs)
    each = isinstance(given, list | tuple) and all(w is None or np.ndim(w) > 0 for w in given)
    if isinstance(given, dict) or each or len(outputs) == 1:
        given = data.leaves("sample_weight", given, outputs, optional=outputs)
    else:
        given = [given] * len(outputs)  # one for all
    weights = [None if w is None else data.on_host(data.checked("sample_weight", w)) for w in given]
    for w in weights:
        if w is not None and not np.isfinite(w).all():
            raise ValueError("sample_weight holds values that are not finite")
    return weights


def _check_targets(model, targets):
    """Lets each loss look at the targets of its output; those that lie on a device are looked at in training."""
    if not targets:
        return
    goals = model.goals()
    for goal, y, shape in zip(goals, targets, model.output_shapes(), strict=True):
        looks = goal.loss is not None and hasattr(goal.loss, "check")
        if looks and y is not None and not data.on_device(y):
            with naming(goal, goals):
                goal.loss.check(y, shape)


def _numbered(name: str, k: int, n: int) -> str:
    return name if n == 1 else f"{name}[{k}]"
