"""How training is shown: a live bar in a terminal, plain lines elsewhere."""

import math
import sys
import time

from gpubp.training.callbacks import Callback


def progress(verbose) -> "Lines | None":
    """The callback that `verbose` asks for: 0 none, 1 a bar, 2 a line an epoch, "auto" a bar in a terminal only.

    Raises ValueError for other values.
    """
    verbose = chosen(verbose, elsewhere=2)
    if verbose == 1:
        from gpubp.training.bar import Bar  # imports rich, which takes time

        return Bar()
    return Lines() if verbose else None


def chosen(verbose, elsewhere: int) -> int:
    """What "auto" stands for: 1 in a terminal, else `elsewhere`. Raises ValueError for anything but 0, 1, 2, "auto"."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto'; it is {verbose!r}")
    if verbose == "auto":
        return 1 if sys.stdout.isatty() else elsewhere
    return int(verbose)


class Pace:
    """Rows a second, of the rows that are done in an epoch.

    Arguments:
        whole: whether time is taken from now on; else from the first report on, where the first batches bring
            about more than their own work.
    """

    def __init__(self, whole: bool):
        now = time.perf_counter()
        self.start, self.begun, self.now = now, (0, now) if whole else None, (0, now)

    def report(self, rows: int):
        """Tells how many rows are done."""
        self.now = rows, time.perf_counter()
        self.begun = self.begun or self.now

    @property
    def rate(self) -> float | None:
        """None as long as it is not known."""
        (before, begun), (rows, now) = self.begun or self.now, self.now
        return (rows - before) / (now - begun) if rows > before else None


class Lines(Callback):
    """A line for each epoch."""

    def __init__(self):
        super().__init__()
        self.pace, self.ready = Pace(False), False

    def on_epoch_begin(self, epoch, logs=None):
        # Programs for arrays are ready by now; those for a stream are compiled when its first batch is there.
        self.ready = self.ready or self.params["rows"] is not None
        self.pace = Pace(self.ready and not self.model.position.batch)

    def on_progress(self, rows, logs=None):
        self.ready = True
        self.pace.report(rows)

    def on_epoch_end(self, epoch, logs=None):
        print(self.finished(epoch, logs), flush=True)

    def finished(self, epoch: int, logs, width: float = math.inf) -> str:
        """The line that stays of an epoch: its time is that of everything, its pace that of training."""
        duration = f"{time.perf_counter() - self.pace.start:.1f} s"
        rate = speed(self.pace.rate)
        return fitted(
            [numbered(epoch, self.params["epochs"]), duration, *rate, *values(logs)], [*rate, duration], width
        )

    def close(self):
        """Gives back what was taken, whatever has happened."""


def fitted(parts: list[str], spare: list[str], width: float) -> str:
    """The parts in a row; if they are wider than `width`, without as many of the spare ones as it takes."""
    for part in spare:
        if len("  ".join(parts)) > width:
            parts = [p for p in parts if p != part]
    return "  ".join(parts)


def numbered(epoch: int, epochs: int) -> str:
    return f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}"


def speed(rate: float | None) -> list[str]:
    return [] if rate is None else [f"{rate:,.0f} samples/s"]


def values(logs) -> list[str]:
    return [f"{name} {number(value)}" for name, value in (logs or {}).items()]


def number(value: float) -> str:
    """Four decimals where they tell something, else three digits."""
    return f"{value:.4f}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds as 1:02:03, without hours as 2:03.

    >>> clock(3723.4), clock(123), clock(3)
    ('1:02:03', '2:03', '0:03')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
