"""When to stop: what scikit-learn's estimators record and decide after each epoch."""

import warnings
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from gpubp.callbacks import Callback
from gpubp.sklearn.network import Network, Weights
from gpubp.sklearn.solvers import Rate


class Convergence(Callback):
    """Writes loss and score into the estimator's attributes, and ends training where they improve no more.

    Arguments:
        estimator: with its parameters and attributes.
        network: that is trained.
        rate: the learning rate.
        rows: of training.
        score: gives the score on the held-out rows; None where there are none.
        single: whether this is one epoch of `partial_fit`, which neither ends early nor warns.
    """

    def __init__(self, estimator: Any, network: Network, rate: Rate, rows: int, score=None, single: bool = False):
        super().__init__()
        self.estimator, self.network, self.rate = estimator, network, rate
        self.rows, self.score, self.single = rows, score, single
        self.best: Weights | None = network.weights if score else None
        self.error: FloatingPointError | None = None

    def on_nonfinite(self, error):
        """Training ends with this epoch, whose loss and score are NaN."""
        self.error = error
        return True

    def on_epoch_end(self, epoch, logs=None):
        e, logs = self.estimator, logs or {}
        self._record(float("nan") if self.error else logs["curve"])
        if "val_data_loss" in logs:
            e.validation_loss_curve_.append(logs["val_data_loss"])
        e.t_ += self.rows
        self._count(self.score and (float("nan") if self.error else self.score()))
        self.rate.after_epoch(e.t_)
        if e._no_improvement_count > e.n_iter_no_change:
            self._plateau()
        if self.rate.progress.learning_rate is not None:
            self.model.optimizer.learning_rate = self.rate.progress.learning_rate
        if e.n_iter_ == e.max_iter and not self.single and not self.model.stop_training:
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the optimization hasn't "
                "converged yet.",
                ConvergenceWarning,
                stacklevel=2,
            )

    def _record(self, loss: float):
        e = self.estimator
        e.n_iter_ += 1
        e.loss_ = loss
        e.loss_curve_.append(loss)
        if e.verbose:
            print(f"Iteration {e.n_iter_}, loss = {loss:.8f}")

    def _count(self, score: float | None):
        """Counts the epochs without improvement; keeps the weights of the best score."""
        e = self.estimator
        if score is None:
            worse = e.loss_ > e.best_loss_ - e.tol
            e.best_loss_ = min(e.best_loss_, e.loss_)
        else:
            e.validation_scores_.append(score)
            if e.verbose:
                print(f"Validation score: {score:f}")
            worse = score < e.best_validation_score_ + e.tol
            if score > e.best_validation_score_:
                e.best_validation_score_, self.best = score, self.network.weights
        e._no_improvement_count = e._no_improvement_count + 1 if worse else 0

    def _plateau(self):
        e = self.estimator
        what = "Validation score" if self.score else "Training loss"
        message = f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive epochs."
        smaller = self.rate.on_plateau()
        if e.verbose:
            print(message, smaller or self.rate.last_words)
        if smaller:
            e._no_improvement_count = 0
        else:
            self.model.stop_training = True
