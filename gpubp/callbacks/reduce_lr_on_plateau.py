"""Smaller steps where there is no improvement."""

from gpubp.callbacks.monitor import MonitorCallback
from gpubp.callbacks.rates import learning_rate, set_learning_rate


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate when a number of the logs has stopped improving; logs it as "learning_rate".

    Arguments:
        monitor, mode: as of MonitorCallback.
        factor: of the new rate, less than 1. Default 0.1.
        patience: epochs without improvement after which the rate is reduced. Default 10.
        verbose: 1 says what is done. Default 0.
        min_delta: changes by less are none. Default 1e-4.
        cooldown: epochs after a reduction that do not count. Default 0.
        min_lr: the rate stays at least that. Default 0.

    Raises:
        ValueError: if the factor is not less than 1, and as MonitorCallback; when training begins, if the optimizer's
            rate is a schedule.

    Source: https://keras.io/api/callbacks/reduce_lr_on_plateau
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        if not 0 <= factor < 1:
            raise ValueError(f"factor must be at least 0 and less than 1; it is {factor!r}")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr
        self.wait = self.cooldown_counter = 0

    def state(self):
        return {"best": self.best, "wait": self.wait, "cooldown_counter": self.cooldown_counter}

    def set_state(self, state):
        vars(self).update(state)

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        learning_rate(self)
        self.best, self.wait, self.cooldown_counter = None, 0, 0

    def on_epoch_end(self, epoch, logs=None):
        rate = learning_rate(self)
        if logs is not None:
            logs["learning_rate"] = rate
        value = self.monitored(logs)
        if value is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter, self.wait = self.cooldown_counter - 1, 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif not self.cooldown_counter:
            self.wait += 1
            if self.wait >= self.patience and rate > self.min_lr:
                set_learning_rate(self, epoch, max(rate * self.factor, self.min_lr))
                self.cooldown_counter, self.wait = self.cooldown, 0
