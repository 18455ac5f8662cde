"""Callbacks that watch a number of the logs and tell whether it has improved."""

import re
import warnings

from gpubp import losses
from gpubp.names import lookup
from gpubp.training.callbacks import Callback

UPWARDS = re.compile(
    r"(^|_)(acc|accuracy|auc|precision|recall|f1_score|fbeta_score|r2_score|cosine_similarity)(_\d+)?$"
)


class MonitorCallback(Callback):
    """Base of callbacks that watch a number of the logs.

    Arguments:
        monitor: its name in the logs. Default "val_loss".
        mode: "min" or "max": which values are better; "auto" takes it from the metric or its name. Default "auto".
        baseline: what the first value has to improve on. Default none.
        min_delta: changes by less are none. Default 0.

    Raises:
        ValueError: for another mode; when training begins, if "auto" finds no direction, for a name that the model's
            loss and metrics do not have or for a metric of one's own.

    Source: https://keras.io/api/callbacks
    """

    def __init__(
        self, monitor: str = "val_loss", mode: str = "auto", baseline: float | None = None, min_delta: float = 0
    ):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{type(self).__name__}: mode is 'auto', 'min' or 'max'; it is {mode!r}")
        self.monitor, self.mode, self.best, self.min_delta = monitor, mode, baseline, abs(min_delta)
        self.upwards = mode == "max"

    def on_train_begin(self, logs=None):
        if self.mode == "auto":
            self.upwards = self._goes_up()

    def _goes_up(self) -> bool:
        name = self.monitor.removeprefix("val_")
        for metric in self.model.metrics:
            if metric.name == name and hasattr(metric, "_direction"):
                return metric._direction == "up"
        if UPWARDS.search(name):
            return True
        if name == "loss" or name.endswith("_loss") or _is_loss(name):
            return False
        known = self.model.metrics_names
        try:
            lookup("monitor", self.monitor, dict.fromkeys([*known, *(f"val_{name}" for name in known)]))
        except ValueError as error:
            own = "a number that a callback writes into the logs needs mode='max' or mode='min'"
            raise ValueError(f"{type(self).__name__}: {error}; {own}") from None
        raise ValueError(
            f"{type(self).__name__}: whether {self.monitor!r} should go up or down does not follow from its name; "
            "pass mode='max' or mode='min'"
        )

    def improves(self, value: float, on: float | None) -> bool:
        """Whether a value is better than another by `min_delta`; any is better than None."""
        if on is None:
            return True
        return bool(value - self.min_delta > on if self.upwards else value + self.min_delta < on)

    def monitored(self, logs) -> float | None:
        """The number that is watched. Warns if the logs do not have it."""
        value = (logs or {}).get(self.monitor)
        if value is None:
            known = ", ".join(logs or {})
            warnings.warn(f"{type(self).__name__}: the logs have no {self.monitor!r}; they have {known}", stacklevel=2)
        return value


def _is_loss(name: str) -> bool:
    """Whether the name, or its end after the name of an output, is that of a loss."""
    words = re.sub(r"_\d+$", "", name).split("_")
    for k in range(len(words)):
        try:
            losses.get("_".join(words[k:]))
        except ValueError:
            continue
        return True
    return False
