"""Logs for TensorBoard."""

from pathlib import Path
from typing import Any

import numpy as np

from gpubp.callbacks.save_freq import BatchCount
from gpubp.training.callbacks import Callback


class TensorBoard(Callback):
    """Writes the logs of epochs for TensorBoard, those of training and of validation side by side, by tensorboardX.

    Arguments:
        log_dir: folder, which gets the folders "train" and "validation". Default "logs".
        update_freq: "epoch", "batch", or every how many batches the means of the epoch so far are written as well.
            Default "epoch".

    Raises:
        ImportError: without tensorboardX: pip install gpubp[tensorboard].
        ValueError: for another update_freq.

    Source: https://keras.io/api/callbacks/tensorboard
    """

    def __init__(self, log_dir="logs", update_freq="epoch"):
        super().__init__()
        from tensorboardX import SummaryWriter

        self.log_dir, self.make = Path(log_dir), SummaryWriter
        self.count = BatchCount(1 if update_freq == "batch" else update_freq)
        self.writers: dict[str, Any] = {}

    def batches_until_due(self):
        return self.count.left()

    def on_train_begin(self, logs=None):
        self.count.begin(self.model)

    def on_train_batch_end(self, batch, logs=None):
        if self.count.due():
            self.count.begin(self.model)
            self._write("batch", logs or {}, self.model.iterations)

    def on_epoch_end(self, epoch, logs=None):
        self._write("epoch", logs or {}, epoch)
        for writer in self.writers.values():
            writer.flush()

    def on_train_end(self, logs=None):
        for writer in self.writers.values():
            writer.close()
        self.writers = {}

    def _write(self, kind: str, logs: dict, step: int):
        for name, value in logs.items():
            if np.ndim(value) == 0:
                part = "validation" if name.startswith("val_") else "train"
                if part not in self.writers:
                    self.writers[part] = self.make(str(self.log_dir / part))
                self.writers[part].add_scalar(f"{kind}_{name.removeprefix('val_')}", value, step)
