"""Model files in the course of training."""

from pathlib import Path

from gpubp.callbacks.monitor import MonitorCallback
from gpubp.callbacks.save_freq import BatchCount


class ModelCheckpoint(MonitorCallback):
    """Saves the model at the end of each epoch or every so many batches, or only if it is the best so far.

    Arguments:
        filepath: of the file; "{epoch:02d}-{val_loss:.2f}.safetensors" takes the number of the epoch, from 1, of the
            batch, and the logs. Folders are made.
        monitor, mode: as of MonitorCallback.
        verbose: 1 says what is done. Default 0.
        save_best_only: whether only the best model is saved. Default False.
        save_weights_only: whether weights are saved without configuration and optimizer. Default False.
        save_freq: "epoch", or batches from one time to the next. Default "epoch".
        initial_value_threshold: what the first model has to improve on. Default none.

    Raises:
        ValueError: for another save_freq, and as MonitorCallback; in training, for a filepath that names what is not in
            the logs.

    Source: https://keras.io/api/callbacks/model_checkpoint
    """

    def __init__(
        self,
        filepath,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq="epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath, self.verbose = str(filepath), verbose
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.count = BatchCount(save_freq)

    def state(self):
        return {"best": self.best, "saved": self.count.saved}

    def set_state(self, state):
        self.best, self.count.saved = state["best"], state["saved"]

    def on_train_begin(self, logs=None):
        if self.save_best_only:
            super().on_train_begin()
        self.count.begin(self.model)

    def batches_until_due(self):
        return self.count.left()

    def on_train_batch_end(self, batch, logs=None):
        if self.count.due():
            self.count.begin(self.model)
            self._save(logs or {}, self.model.position.epoch, batch)

    def on_epoch_end(self, epoch, logs=None):
        if self.count.each_epoch:
            self._save(logs or {}, epoch)

    def _save(self, logs, epoch, batch=None):
        path = self._path(logs, epoch, batch)
        if self.save_best_only and not self._best(logs):
            if self.verbose:
                print(f"epoch {epoch + 1}: {self.monitor} is not better than {self.best}")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(f"ModelCheckpoint writes a file, but filepath={str(path)!r} is a folder")
        (self.model.save_weights if self.save_weights_only else self.model.save)(path, overwrite=True)
        if self.verbose:
            print(f"epoch {epoch + 1}: saved {path}")

    def _path(self, logs, epoch, batch) -> Path:
        numbers = {"epoch": epoch + 1} | ({} if batch is None else {"batch": batch + 1})
        try:
            return Path(self.filepath.format(**numbers, **logs))
        except KeyError as missing:
            known = ", ".join([*numbers, *logs])
            raise ValueError(f"filepath={self.filepath!r} names {missing}, but there is only {known}") from None

    def _best(self, logs) -> bool:
        value = self.monitored(logs)
        if value is None:
            return True
        better = self.improves(value, self.best)
        if better:
            self.best = value
        return better
