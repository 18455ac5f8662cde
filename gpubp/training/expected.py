"""Arrays as a model takes them, for programs that are made without data."""

import numpy as np

from gpubp.training.data import segments_of
from gpubp.training.programs import Source, Sources


def expected_sources(model, targets: bool) -> Sources:
    """The inputs of a model and, if wanted, targets as its losses take them."""
    shapes, dtypes = model.input_row_shapes(), model.input_dtypes(None)
    names = segments_of("x", len(shapes))
    inputs = [Source(n, np.dtype(d), s) for n, d, s in zip(names, dtypes, shapes, strict=True)]
    expected = []
    if targets:
        goals = model.goals()
        names = segments_of("y", len(goals))
        for name, goal, shape in zip(names, goals, model.output_shapes(), strict=True):
            labels = goal.loss is not None and goal.loss.takes_labels
            dtype, own = (np.int64, shape[1:-1]) if labels else (np.float32, shape[1:])
            expected.append(Source(name, np.dtype(dtype), tuple(own)))
    return Sources(tuple(inputs), tuple(expected))
