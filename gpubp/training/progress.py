"""How training is shown: a live bar in a terminal, plain lines elsewhere."""

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
    return {0: None, 1: Bar(), 2: Lines()}[verbose]


def text(logs) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in (logs or {}).items())


class Lines(Callback):
    """A line for each epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        seconds = time.perf_counter() - self.start
        rate = self.params["rows"] / seconds
        print(
            f"epoch {epoch + 1}/{self.params['epochs']}  {seconds:.1f} s  {rate:,.0f} samples/s  {text(logs)}",
            flush=True,
        )


class Bar(Callback):
    """A live bar: epoch, loss and metrics, samples a second, time left. One line an epoch stays."""

    def on_train_begin(self, logs=None):
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[logs]}"),
            TextColumn("{task.fields[rate]:,.0f} samples/s"),
            TimeRemainingColumn(),
            TextColumn("left"),
        )

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()
        fields = {"epoch": epoch + 1, "epochs": self.params["epochs"], "logs": "", "rate": 0.0}
        self.task = self.bar.add_task("", total=self.params["rows"], **fields)
        self.bar.start()

    def on_progress(self, rows, logs=None):
        rate = rows / (time.perf_counter() - self.start)
        self.bar.update(self.task, completed=rows, logs=text(logs), rate=rate)

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update(self.task, completed=self.params["rows"], logs=text(logs))
        if epoch + 1 == self.params["epochs"]:
            self.bar.stop()

    def on_train_end(self, logs=None):
        self.bar.stop()

    def close(self):
        """Gives the terminal back, whatever has happened."""
        self.bar.stop()
