"""scikit-learn's own callbacks, of `set_callbacks`: each epoch is a task."""

from typing import Any

from gpubp.callbacks import Callback
from gpubp.sklearn.data import Rows
from gpubp.sklearn.network import Network

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands where scikit-learn has no callbacks."""


class Tasks(Callback):
    """Tells scikit-learn's callbacks of each epoch; training stops if one of them asks for it.

    Arguments:
        estimator: that is fitted.
        rows: that it is fitted to.
        network: whose weights an estimator gets that can predict in the middle of training.
    """

    def __init__(self, estimator: Any, rows: Rows, network: Network):
        super().__init__()
        self.estimator, self.network = estimator, network
        self.data = {"X": rows.x, "y": estimator._decoded(rows.y)}

    @classmethod
    def of(cls, estimator, rows: Rows, network: Network) -> list["Tasks"]:
        """One, if the estimator has such callbacks; else none."""
        return [cls(estimator, rows, network)] if getattr(estimator, "_skl_callbacks", None) else []

    def on_train_begin(self, logs=None):
        self.whole = self.estimator._init_callback_context(max_subtasks=None)
        self.whole.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def on_epoch_begin(self, epoch, logs=None):
        self.task = self.whole.subcontext(task_name="iteration")
        self.task.call_on_fit_task_begin(estimator=self.estimator, **self.data)

    def on_epoch_end(self, epoch, logs=None):
        if self._ended(self.task):
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self._ended(self.whole)

    def _ended(self, task) -> bool:
        return task.call_on_fit_task_end(estimator=self.estimator, reconstruction_attributes=self._fitted, **self.data)

    def _fitted(self) -> dict:
        weights = self.network.weights
        return {
            "coefs_": weights.coefs,
            "intercepts_": weights.intercepts,
            "_normalisation": weights.normalisation,
        }
