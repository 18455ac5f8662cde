"""Logs in a table of text."""

import csv
from pathlib import Path

import numpy as np

from gpubp.training.callbacks import Callback


class CSVLogger(Callback):
    """Writes a row for each epoch: its number from 0, and its logs in the order of their names.

    The first epoch's logs make the columns; "val_" columns are there even if that epoch has no validation. What is
    missing is "NA".

    Arguments:
        filename: of the file.
        separator: between the values of a row. Default ",".
        append: whether rows are added to a file that is there already. Default False.

    Raises:
        OSError: when training begins, if the file can't be written.

    Source: https://keras.io/api/callbacks/csv_logger
    """

    def __init__(self, filename, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename, self.sep, self.append = Path(filename), separator, append
        self.columns: list[str] | None = None
        self.size = 0  # bytes of the file that stay

    def state(self):
        return {"columns": self.columns, "size": self.size}

    def set_state(self, state):
        """Rows that were written after the state was taken are written again."""
        self.columns, self.size = state["columns"], state["size"]

    def on_train_begin(self, logs=None):
        self.filename.open("a").close()
        self.columns = None
        self.size = self.filename.stat().st_size if self.append else 0

    def on_epoch_end(self, epoch, logs=None):
        logs = logs or {}
        if self.columns is None:
            self.columns = sorted(logs)
            if not any(name.startswith("val_") for name in self.columns):
                self.columns += [f"val_{name}" for name in self.columns]
        with self.filename.open("a", newline="") as file:
            self.size = file.truncate(min(self.size, file.tell()))
            writer = csv.writer(file, delimiter=self.sep)
            if not self.size:
                writer.writerow(["epoch", *self.columns])
            writer.writerow([epoch, *(_text(logs.get(name, "NA")) for name in self.columns)])
            self.size = file.tell()


def _text(value):
    """A value as it stands in a table; arrays in brackets."""
    return f"[{', '.join(map(str, np.ravel(value)))}]" if np.ndim(value) else value
