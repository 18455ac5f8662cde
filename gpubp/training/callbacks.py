"""What watches training: callbacks are called between compiled calls and cost nothing when there are none."""

from typing import Any


class Callback:
    """Base of callbacks: override what you need. `model` is set before training begins.

    `logs` holds the means of the loss and the metrics, at the end of an epoch those of validation, too, as "val_...".
    """

    def __init__(self):
        self.model: Any = None
        self.params: dict = {}

    def set_model(self, model):
        """Tells which model is trained."""
        self.model = model

    def set_params(self, params: dict):
        """Tells `epochs`, `steps` of an epoch and `rows`."""
        self.params = params

    def on_train_begin(self, logs=None):
        """Called once, before the first epoch."""

    def on_train_end(self, logs=None):
        """Called once, after the last epoch; not after an error."""

    def on_epoch_begin(self, epoch: int, logs=None):
        """Called before each epoch."""

    def on_epoch_end(self, epoch: int, logs=None):
        """Called after each epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs=None):
        """Called before each batch. Whoever overrides a hook of batches has every batch run by a call of its own."""

    def on_train_batch_end(self, batch: int, logs=None):
        """Called after each batch, with the means of the epoch so far."""

    def on_test_begin(self, logs=None):
        """Called before an evaluation, that of validation data too."""

    def on_test_end(self, logs=None):
        """Called after an evaluation, with its results."""

    def on_test_batch_begin(self, batch: int, logs=None):
        """Called before each batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs=None):
        """Called after each batch of an evaluation, with the means so far."""

    def on_predict_begin(self, logs=None):
        """Called before a prediction."""

    def on_predict_end(self, logs=None):
        """Called after a prediction."""

    def on_predict_batch_begin(self, batch: int, logs=None):
        """Called before each batch of a prediction."""

    def on_predict_batch_end(self, batch: int, logs=None):
        """Called after each batch of a prediction."""

    def on_progress(self, rows: int, logs=None):
        """Called after each compiled call, some twenty times a second, with the rows done in this epoch."""


class History(Callback):
    """Collects the logs of epochs: `history` maps names to lists, `epoch` lists the numbers."""

    def __init__(self):
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)

    def plot(self, path):
        """Draws the learning curves into a picture file, one panel for the loss and one for each metric.

        Raises ImportError without matplotlib: pip install gpubp[plot].
        """
        from matplotlib.figure import Figure

        names = [n for n in self.history if not n.startswith("val_")]
        figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
        for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
            for label, key in (("training", name), ("validation", f"val_{name}")):
                if key in self.history:
                    axes.plot([e + 1 for e in self.epoch], self.history[key], marker="o", markersize=3, label=label)
            axes.set(xlabel="epoch", ylabel=name)
            axes.grid(alpha=0.3)
            axes.legend()
        figure.savefig(path, dpi=150)
