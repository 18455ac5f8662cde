"""How an evaluation or prediction is shown: a live line in a terminal, a line when it is done."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from gpubp.training.callbacks import Callback
from gpubp.training.progress import Pace, chosen, fitted, speed, values


@contextmanager
def shown(verbose, what: str, rows: int | None = None) -> Iterator[list[Callback]]:
    """The callbacks that `verbose` asks for: 0 none, 1 a bar, 2 a line, "auto" a bar in a terminal, else nothing.

    Arguments:
        verbose: as of `evaluate` and `predict`.
        what: is done: "evaluate" or "predict".
        rows: that there are to read. Default not known.

    Raises:
        ValueError: for other values.
    """
    line = _line(chosen(verbose, elsewhere=0), what, rows)
    try:
        yield [line] if line else []
    finally:
        if line:
            line.close()


def _line(verbose: int, what: str, rows: int | None) -> "ReadingLine | None":
    if verbose == 1:
        from gpubp.training.bar import ReadingBar  # imports rich, which takes time

        return ReadingBar(what, rows)
    return ReadingLine(what, rows) if verbose else None


class ReadingLine(Callback):
    """A line when all rows are read."""

    def __init__(self, what: str, rows: int | None):
        super().__init__()
        self.what, self.rows, self.done, self.pace = what, rows, 0, Pace(False)

    def on_read_progress(self, rows, logs=None):
        self.done = rows
        self.pace.report(rows)

    def on_test_end(self, logs=None):
        self.show(logs)

    def on_predict_end(self, logs=None):
        self.show({})

    def finished(self, logs, width: float = math.inf) -> str:
        """The line that stays: the time is that of everything, the pace that of all rows but the first ones."""
        rate, duration = speed(self.pace.rate), f"{time.perf_counter() - self.pace.start:.1f} s"
        return fitted([self.what, duration, *rate, *values(logs)], [*rate, duration], width)

    def show(self, logs):
        """Writes the line that stays."""
        print(self.finished(logs), flush=True)

    def close(self):
        """Gives back what was taken, whatever has happened."""
