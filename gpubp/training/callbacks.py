"""What watches training: callbacks are called between compiled calls and cost nothing when there are none."""

from typing import Any


class Callback:
    """Base of callbacks: override what you need. `model` and `params` are set before training begins.

    `logs` holds the means of the loss and the metrics, at the end of an epoch those of validation, too, as "val_...".
    What a callback writes into the logs of an epoch, those after it and the history see as well.

    Source: https://keras.io/api/callbacks/base_callback
    """

    last = False  # whether it is called after all others, because it looks at what they know
    watchers: Any = None  # all that watch the same training

    def __init__(self):
        self.model: Any = None
        self.params: dict = {}

    def set_model(self, model):
        """Tells which model is trained."""
        self.model = model

    def set_params(self, params: dict):
        """Tells `epochs`, `verbose`, `batch_size`, `steps` of an epoch and `rows`; None where it is not known."""
        self.params = params

    def __getstate__(self):
        """Copies hold what a callback knows, not the training that it watched."""
        return self.__dict__ | {"model": None, "watchers": None}

    # Stopping and going on

    def state(self) -> dict:
        """What it takes to go on after a stop, for backups: values as JSON knows them, and arrays, by name."""
        return {}

    def set_state(self, state: dict):
        """Goes on from what `state` gave, after `on_train_begin`."""

    # Training

    def on_train_begin(self, logs=None):
        """Called once, before the first epoch."""

    def on_train_end(self, logs=None):
        """Called once, after the last epoch, with its logs; not after an error."""

    def on_epoch_begin(self, epoch: int, logs=None):
        """Called before each epoch; once more for one that is taken up in its middle."""

    def on_epoch_end(self, epoch: int, logs=None):
        """Called after each epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs=None):
        """Called before each batch. Whoever overrides a hook of batches has every batch run by a call of its own."""
        self.on_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs=None):
        """Called after each batch, with the means of the epoch so far."""
        self.on_batch_end(batch, logs)

    def on_batch_begin(self, batch: int, logs=None):
        """Another name of `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs=None):
        """Another name of `on_train_batch_end`."""

    def batches_until_due(self) -> int | None:
        """How many batches may run at once before the hooks of training batches are called; None if any number may.

        By default 1 if one of these hooks is overridden. Who looks every n batches alone may say how many are left: it
        is then called after them at the latest, and others train on in long compiled calls.
        """
        return 1 if overrides(self, "train") else None

    def on_progress(self, rows: int, logs=None):
        """Called after each compiled call, some twenty times a second, with the rows done in this epoch."""

    def on_nonfinite(self, error: FloatingPointError) -> bool:
        """Called when a loss is not finite: whether training is to end here as if it were done. Default no."""
        return False

    # Evaluation and prediction

    def on_test_begin(self, logs=None):
        """Called before an evaluation, that of validation data too."""

    def on_test_end(self, logs=None):
        """Called after an evaluation, with its results."""

    def on_test_batch_begin(self, batch: int, logs=None):
        """Called before each batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs=None):
        """Called after each batch of an evaluation, with the means so far."""

    def on_read_progress(self, rows: int, logs=None):
        """Called after each compiled call of an evaluation or prediction, with the rows that are done."""

    def on_predict_begin(self, logs=None):
        """Called before a prediction."""

    def on_predict_end(self, logs=None):
        """Called after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs=None):
        """Called before each batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs=None):
        """Called after each batch of a prediction, with its `outputs`."""


HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
    "progress": ("on_progress",),
    "reading": ("on_read_progress",),
}


def overrides(callback: Callback, kind: str) -> bool:
    """Whether a callback has hooks of a kind of its own, in its class or as attributes."""
    return any(getattr(getattr(callback, h), "__func__", None) is not getattr(Callback, h) for h in HOOKS[kind])
