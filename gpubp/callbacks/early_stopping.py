"""Stopping when there is no improvement any more."""

from gpubp.callbacks.monitor import MonitorCallback


class EarlyStopping(MonitorCallback):
    """Ends training when a number of the logs has stopped improving.

    Arguments:
        monitor, min_delta, mode: as of MonitorCallback.
        patience: epochs without improvement after which training ends. Default 0.
        verbose: 1 says what is done. Default 0.
        baseline: what has to be improved on within `patience` epochs. Default none.
        restore_best_weights: whether the weights of the best epoch are set at the end. Default False.
        start_from_epoch: epochs before it are not watched. Default 0.

    Raises:
        ValueError: as MonitorCallback.

    Source: https://keras.io/api/callbacks/early_stopping

    >>> import numpy as np
    >>> import gpubp
    >>> model = gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(1)])
    >>> model.compile(gpubp.optimizers.SGD(0.0), "mse")  # learns nothing
    >>> stop = gpubp.callbacks.EarlyStopping("loss", patience=2)
    >>> history = model.fit(np.ones((4, 2)), np.ones(4), epochs=10, callbacks=[stop], verbose=0)
    >>> history.epoch
    [0, 1, 2]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self._begin()

    def _begin(self):
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best: float | None = None
        self.best_weights: list | None = None

    def state(self):
        known = {name: getattr(self, name) for name in ("wait", "stopped_epoch", "best_epoch", "best")}
        return known | {f"weight_{k}": w for k, w in enumerate(self.best_weights or [])}

    def set_state(self, state):
        weights = {name: state.pop(name) for name in list(state) if name.startswith("weight_")}
        vars(self).update(state)
        self.best_weights = [weights[f"weight_{k}"] for k in range(len(weights))] or None

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._begin()

    def on_epoch_end(self, epoch, logs=None):
        value = self.monitored(logs)
        if value is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._keep(epoch)
        self.wait += 1
        if self.improves(value, self.best):
            self.best = value
            self._keep(epoch)
            if self.improves(value, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch, self.model.stop_training = epoch, True

    def _keep(self, epoch):
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()

    def on_train_end(self, logs=None):
        if self.stopped_epoch and self.verbose:
            print(f"epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"restoring the weights of the best epoch, {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)
