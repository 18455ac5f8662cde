"""Fitting by batches, epoch by epoch."""

import copy
import warnings
from functools import partial
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from gpubp.sklearn.convergence import Convergence
from gpubp.sklearn.data import Rows, held_out, order_of_epochs
from gpubp.sklearn.network import Network
from gpubp.sklearn.solvers import Progress, Rate, first_rate
from gpubp.sklearn.tasks import Tasks

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)
PREDICTED_ROWS = 1024  # at a time, so that any number of rows fits into memory


def fit(estimator: Any, network: Network, rows: Rows, held: Rows | None, random, incremental: bool):
    """Trains until nothing improves, a limit is met or Ctrl-C is pressed; keeps the best weights of early stopping.

    Arguments:
        estimator: whose attributes are set.
        network: that is trained.
        rows, held: of training, and of validation where the user has passed them.
        random: a RandomState.
        incremental: whether this is one epoch of `partial_fit`.

    Raises:
        ValueError: if the loss is not finite, unless `early_stopping` has kept weights of before.
    """
    e, model = estimator, network.model
    score, validation_data = None, held and (held.x, held.y, held.weights)
    if e.early_stopping:
        if held is None:
            stratify = rows.y.astype(bool) if e._stratified and e.n_outputs_ == 1 else None
            rows, held = held_out(rows, e.validation_fraction, stratify, random)
        score = partial(_score, e, network, held)
    progress = getattr(e, "_optimizer", None) if incremental else None
    progress = progress or Progress(first_rate(e))
    order, model.seed = _order(e, random)
    convergence = Convergence(e, network, Rate(e, progress), len(rows), score, incremental)
    progress.enter(network)
    e.n_iter_ = 0
    try:
        model.fit(
            rows.x,
            rows.y,
            sample_weight=rows.weights,
            batch_size=_batch_rows(e.batch_size, len(rows)),
            epochs=1 if incremental else e.max_iter,
            shuffle=order,
            verbose=0,
            validation_data=validation_data,
            callbacks=[convergence, *(e.callbacks or []), *Tasks.of(e, rows, network)],
        )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    if convergence.error and not e.early_stopping:
        raise ValueError(NOT_FINITE) from convergence.error
    progress.leave(network)
    e._optimizer = progress
    if convergence.best is not None:
        network.weights = convergence.best


def _order(e, random) -> tuple[Any, int]:
    """What `Model.fit` is to shuffle by, and the seed of the model."""
    theirs = e.rng == "sklearn"  # from which nothing may be drawn but orders
    seed = (copy.deepcopy(random) if theirs else random).randint(np.iinfo(np.int32).max)
    return (order_of_epochs(random) if theirs and e.shuffle else e.shuffle), int(seed)


def _batch_rows(batch_size, n: int) -> int:
    if batch_size == "auto":
        return min(200, n)
    if batch_size > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=3
        )
    return int(min(batch_size, n))


def _score(e, network: Network, held: Rows) -> float:
    """The score of the weights as they are now."""
    if e.scoring is not None:
        e._take_over(network.weights)
        return float(check_scoring(e, e.scoring)(e, held.x, e._decoded(held.y)))
    outputs = network.model.predict(held.x, batch_size=PREDICTED_ROWS, verbose=0)
    return e._quality(outputs, held.y, held.weights) if np.isfinite(outputs).all() else float("nan")
