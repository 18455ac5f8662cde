"""Which learning rate: a sweep from small to large."""

import copy
from dataclasses import dataclass

import numpy as np

from gpubp.training.callbacks import Callback


@dataclass
class RateSweep:
    """What a sweep has found.

    Arguments:
        rates: learning rates, in rising order.
        losses: the loss of the mini-batch before the step at each rate.
        smoothed: their exponential mean, without the bias of its beginning.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the smoothed loss is least: it was falling there, and is far from diverging."""
        return float(self.rates[np.argmin(self.smoothed)] / 10)

    def plot(self, path):
        """Draws losses by rate into a picture file. Raises ImportError without matplotlib: pip install gpubp[plot]."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.rates, self.losses, alpha=0.3, label="loss of a batch")
        axes.plot(self.rates, self.smoothed, label="smoothed")
        axes.axvline(self.suggestion, linestyle="--", color="grey", label=f"suggestion {self.suggestion:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
        axes.grid(alpha=0.3)
        axes.legend()
        figure.savefig(path, dpi=150)


def find_learning_rate(
    model,
    x,
    y=None,
    batch_size: int = 32,
    start: float = 1e-7,
    end: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    diverged: float = 4.0,
) -> RateSweep:
    """Trains a copy of a model on mini-batches at rates that grow from step to step; the model itself stays as it is.

    The sweep ends early where the smoothed loss is `diverged` times its minimum, or not finite.

    Arguments:
        model: built and compiled.
        x: array of rows, or a Sequence of batches (x, y).
        y: targets of as many rows; none for a Sequence.
        batch_size: rows of a mini-batch of arrays. Default 32.
        start, end: the first and the last rate. Defaults 1e-7, 10.
        steps: mini-batches, at most. Default 100.
        smoothing: share of the mean before in the mean after a batch. Default 0.9.
        diverged: as above. Default 4.

    Raises:
        ValueError: if the model is not built or compiled, for rates or numbers out of range, or if the loss is not
            finite within three steps.

    Source: L. Smith, Cyclical learning rates for training neural networks, WACV 2017, section 3.3.

    >>> import numpy as np
    >>> import gpubp
    >>> x = np.linspace(-1, 1, 256).reshape(128, 2)
    >>> model = gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> sweep = gpubp.callbacks.find_learning_rate(model, x, x[:, 0])
    >>> 1e-7 <= sweep.suggestion <= 10, model.iterations
    (True, 0)
    """
    model._require_built()
    model._require_compiled("find_learning_rate")
    if not 0 < start < end:
        raise ValueError(f"rates go from start > 0 up to end; they are {start!r} and {end!r}")
    if steps < 3 or not 0 <= smoothing < 1:
        raise ValueError(f"steps is at least 3 and smoothing at least 0 and less than 1; they are {steps}, {smoothing}")
    sweep = _Sweep(np.geomspace(start, end, steps), smoothing, diverged)
    twin = copy.deepcopy(model)
    twin.optimizer._learning_rate = start  # even in the place of a schedule, since the twin has recorded none yet
    twin.fit(x, y, batch_size, epochs=steps, verbose=0, callbacks=[sweep])
    n = len(sweep.losses)
    if n < 3:
        raise ValueError(f"the loss is not finite after {n} steps at rates from {start}: choose a smaller start")
    return RateSweep(sweep.rates[:n], np.array(sweep.losses), np.array(sweep.smoothed))


class _Sweep(Callback):
    """Sets a rate before each batch and notes its loss."""

    def __init__(self, rates: np.ndarray, smoothing: float, diverged: float):
        super().__init__()
        self.rates, self.smoothing, self.diverged = rates, smoothing, diverged
        self.losses: list[float] = []
        self.smoothed: list[float] = []
        self.mean = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.before = np.zeros(2)

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = float(self.rates[len(self.losses)])

    def on_train_batch_end(self, batch, logs=None):
        sums = self.model.position.sums
        now = np.array([sums["loss/total"], sums["loss/divisor"]])
        total, divisor = now - self.before
        self.before = now
        self._note(float(total / divisor))

    def _note(self, loss: float):
        self.losses.append(loss)
        self.mean = self.smoothing * self.mean + (1 - self.smoothing) * loss
        self.smoothed.append(self.mean / (1 - self.smoothing ** len(self.losses)))
        diverged = self.smoothed[-1] > self.diverged * min(self.smoothed) > 0
        self.model.stop_training = diverged or len(self.losses) == len(self.rates)

    def on_nonfinite(self, error):
        return True
