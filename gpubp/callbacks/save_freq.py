"""When to save: after each epoch, or every so many batches."""

from typing import Any


class BatchCount:
    """Counts batches since the last time something was saved.

    Arguments:
        save_freq: "epoch", or an int of at least 1.

    Raises:
        ValueError: for anything else.
    """

    def __init__(self, save_freq):
        self.each_epoch = save_freq == "epoch"
        if not self.each_epoch and (not isinstance(save_freq, int) or isinstance(save_freq, bool) or save_freq < 1):
            raise ValueError(f"save_freq is 'epoch' or a positive number of batches; it is {save_freq!r}")
        self.batches, self.saved = save_freq, 0
        self.model: Any = None

    def begin(self, model):
        """Counts from now on."""
        self.model, self.saved = model, model.iterations

    def left(self) -> int | None:
        """Batches until something is to be saved, at least 1; None if batches do not matter."""
        if self.each_epoch:
            return None
        return self.batches if self.model is None else max(1, self.batches - self._done())

    def due(self) -> bool:
        """Whether it is time, by batches."""
        return not self.each_epoch and self._done() >= self.batches

    def _done(self) -> int:
        return self.model.iterations - self.saved
