"""Fitting by L-BFGS: scikit-learn's call of SciPy, driving the program over all rows in float64."""

from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult
from sklearn.utils.optimize import _check_optimize_result

from gpubp.sklearn.data import Rows
from gpubp.sklearn.network import Network
from gpubp.sklearn.tasks import Tasks

BATCH = 1024  # rows of which gradients are added up at a time


def fit(estimator: Any, network: Network, rows: Rows, held: Rows | None):
    """Minimises until a tolerance or a limit is met; warns, as scikit-learn does, where it was a limit.

    Arguments:
        estimator: whose `n_iter_`, `loss_` and validation losses are set.
        network: that is trained.
        rows, held: of training and of validation; `held` may be None.
    """
    if rows.weights is not None:
        rows = rows[np.flatnonzero(rows.weights)]
    batches = -(-len(rows) // BATCH)
    network.alpha.assign(estimator.alpha / batches)  # each batch adds the penalty once
    history = network.model.fit(
        rows.x,
        rows.y,
        sample_weight=rows.weights,
        batch_size=BATCH,
        epochs=estimator.max_iter + 1,  # it is the optimizer that counts iterations
        verbose=0,
        validation_data=held and (held.x, held.y, held.weights),
        callbacks=[*(estimator.callbacks or []), *Tasks.of(estimator, rows, network)],
    )
    found = network.model.optimizer.found
    result = OptimizeResult(nit=found.iterations, status=found.status, message=found.message)
    estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)
    estimator.loss_ = found.value
    estimator.validation_loss_curve_ = history.history.get("val_data_loss", [])
