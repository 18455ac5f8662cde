"""How training is shown: a live bar in a terminal, plain lines elsewhere."""

import math
import sys
import time

from gpubp.training.callbacks import Callback


def progress(verbose) -> Callback | None:
    """The callback that `verbose` asks for: 0 none, 1 a bar, 2 a line an epoch, "auto" a bar in a terminal only.

    Raises ValueError for other values.
    """
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto'; it is {verbose!r}")
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() else 2
    if verbose == 1:
        from gpubp.training.bar import Bar  # imports rich, which takes time

        return Bar()
    return Lines() if verbose else None


class Lines(Callback):
    """A line for each epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        print(finished(epoch, self.params, time.perf_counter() - self.start, logs), flush=True)


def finished(epoch: int, params: dict, seconds: float, logs, width: float = math.inf) -> str:
    """The line that stays of an epoch."""
    duration, rate = f"{seconds:.1f} s", speed(params["rows"] / seconds)
    return fitted([numbered(epoch, params["epochs"]), duration, rate, *values(logs)], [rate, duration], width)


def fitted(parts: list[str], spare: list[str], width: float) -> str:
    """The parts in a row; if they are wider than `width`, without as many of the spare ones as it takes."""
    for part in spare:
        if len("  ".join(parts)) > width:
            parts = [p for p in parts if p != part]
    return "  ".join(parts)


def numbered(epoch: int, epochs: int) -> str:
    return f"epoch {epoch + 1:>{len(str(epochs))}}/{epochs}"


def speed(rate: float) -> str:
    return f"{rate:,.0f} samples/s"


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
