"""A live bar in a terminal."""

import time

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gpubp.training.callbacks import Callback
from gpubp.training.progress import clock, finished, fitted, numbered, speed, values

SHORTEST, LONGEST = 6, 30  # columns of the bar itself


class Pace:
    """Rows a second since a moment at which `rows` were done."""

    def __init__(self, rows: int = 0):
        self.rows, self.start = rows, time.perf_counter()

    def rate(self, rows: int) -> float:
        return (rows - self.rows) / max(time.perf_counter() - self.start, 1e-9)


class Bar(Callback):
    """One live line: epoch, bar, loss and metrics, samples a second, time left for all epochs.

    Of each finished epoch a line stays above it.
    """

    def __init__(self):
        super().__init__()
        self.epoch, self.rows, self.before = 0, 0, 0  # rows done in this epoch, and in those before
        self.parts = ["preparing"]
        self.whole: Pace | None = None

    def on_train_begin(self, logs=None):
        self.console = Console(highlight=False)
        # A thread of its own draws, so that the line lives through long steps; "transient" wipes it out at the end.
        self.live = Live(get_renderable=self._line, console=self.console, transient=True, refresh_per_second=10)

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch, self.rows = epoch, 0
        self.start, self.pace = time.perf_counter(), Pace()
        self.live.start(refresh=True)

    def on_progress(self, rows, logs=None):
        self.rows = rows
        done = self.before + rows
        if self.whole is None:  # Until now kernels were compiled: that says nothing about the time left.
            self.whole, self.pace = Pace(done), Pace(rows)
            return
        left = (self.params["epochs"] - self.epoch) * self.params["rows"] - rows
        self.parts = [*values(logs), speed(self.pace.rate(rows)), f"{clock(left / self.whole.rate(done))} left"]

    def on_epoch_end(self, epoch, logs=None):
        self.before += self.params["rows"]
        seconds = time.perf_counter() - self.start
        line = finished(epoch, self.params, seconds, logs, self.console.width)
        self.console.print(line, markup=False, soft_wrap=True)

    def close(self):
        """Gives the terminal back, whatever has happened."""
        self.live.stop()

    def _line(self):
        head, parts, room = numbered(self.epoch, self.params["epochs"]), self.parts, self.console.width - 4
        tail = fitted(parts, parts[-2:-1], room - len(head) - SHORTEST)
        bar = max(SHORTEST, min(LONGEST, room - len(head) - len(tail)))
        grid = Table.grid(padding=(0, 2))
        grid.add_row(
            Text(head, no_wrap=True),
            ProgressBar(self.params["rows"], self.rows, width=bar),
            Text(tail, no_wrap=True, overflow="ellipsis"),
        )
        return grid
