"""A live bar in a terminal."""

import time

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gpubp.training.progress import Lines, clock, fitted, numbered, speed, values
from gpubp.training.reading import ReadingLine

SHORTEST, LONGEST = 6, 30  # columns of the bar itself


class Bar(Lines):
    """One live line: epoch, bar, loss and metrics, samples a second, time left for all epochs.

    Of each finished epoch a line stays above it.
    """

    def __init__(self):
        super().__init__()
        self.epoch = 0
        self.rate: list[str] = []
        self.parts = ["preparing"]
        self.start: tuple[int, float] | None = None  # batches of all epochs that were done, and when

    def on_train_begin(self, logs=None):
        self.console = Console(highlight=False)
        self.live = _live(self.console, self._line)

    def on_epoch_begin(self, epoch, logs=None):
        super().on_epoch_begin(epoch, logs)
        self.epoch = epoch

    def on_progress(self, rows, logs=None):
        super().on_progress(rows, logs)
        self.rate = speed(self.pace.rate)
        self.parts = [*values(logs), *self.rate, *self._left()]

    def _left(self) -> list[str]:
        """The time that is left for all epochs, once it is known."""
        steps, now = self.params["steps"], time.perf_counter()
        if steps is None:
            return []
        done = self.epoch * steps + self.model.position.batch
        if self.start is None:
            self.start = done, now
            return []
        before, begun = self.start
        return [f"{clock((self.params['epochs'] * steps - done) * (now - begun) / (done - before))} left"]

    def on_epoch_end(self, epoch, logs=None):
        self.console.print(self.finished(epoch, logs, self.console.width), markup=False, soft_wrap=True)

    def close(self):
        if hasattr(self, "live"):
            self.live.stop()

    def _line(self):
        head, parts, room = numbered(self.epoch, self.params["epochs"]), self.parts, self.console.width - 4
        tail = fitted(parts, self.rate, room - len(head) - SHORTEST)
        position = self.model.position
        return _row(head, self.params["steps"], position.batch if position else 0, tail, room)


class ReadingBar(ReadingLine):
    """One live line: how far an evaluation or prediction is, and rows a second. A line with its results stays."""

    def __init__(self, what: str, rows: int | None):
        super().__init__(what, rows)
        self.console = Console(highlight=False)
        self.live = _live(self.console, self._line)

    def show(self, logs):
        self.console.print(self.finished(logs, self.console.width), markup=False, soft_wrap=True)

    def close(self):
        self.live.stop()

    def _line(self):
        tail = "  ".join(speed(self.pace.rate)) or "preparing"
        return _row(self.what, self.rows, self.done, tail, self.console.width - 4)


def _live(console: Console, line) -> Live:
    """A line that a thread of its own draws, so that it lives through long steps; it is wiped out at the end."""
    live = Live(get_renderable=line, console=console, transient=True, refresh_per_second=10)
    live.start(refresh=True)
    return live


def _row(head: str, total: int | None, done: int, tail: str, room: int) -> Table:
    """Head, bar and tail in so many columns."""
    width = max(SHORTEST, min(LONGEST, room - len(head) - len(tail)))
    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total, done, width=width)
    grid.add_row(Text(head, no_wrap=True), bar, Text(tail, no_wrap=True, overflow="ellipsis"))
    return grid
