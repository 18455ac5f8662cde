"""The callbacks of a call, and when they are due between compiled calls."""

from collections.abc import Callable, Iterable

from gpubp.training.callbacks import Callback, overrides


def listed(callbacks) -> list[Callback]:
    """The argument `callbacks` as a list: one, several or None. Raises TypeError for anything but callbacks."""
    given = [callbacks] if isinstance(callbacks, Callback) else list(callbacks or ())
    for c in given:
        if not isinstance(c, Callback):
            raise TypeError(f"callbacks are instances of gpubp.callbacks.Callback; this is {c!r}")
    return given


class Watchers:
    """The callbacks of a call of fit, evaluate or predict.

    Arguments:
        callbacks: in the order in which they are called; those that come last by themselves are put there.
        model, params: what they are told.
    """

    def __init__(self, callbacks: Iterable[Callback], model, params: dict):
        self.callbacks = sorted(callbacks, key=lambda c: c.last)
        for c in self.callbacks:
            c.watchers = self
            c.set_model(model)
            c.set_params(params)
        self.watched = {
            kind: any(overrides(c, kind) for c in self.callbacks) for kind in ("test", "predict", "progress", "reading")
        }
        self.watched["train"] = any(c.batches_until_due() is not None for c in self.callbacks)

    def __call__(self, hook: str, *number: int, logs: dict | None = None):
        """Calls a hook of all, with the number of the epoch or batch if it takes one, and with logs."""
        logs = {} if logs is None else logs
        for c in self.callbacks:
            getattr(c, hook)(*number, logs)

    def batches_until_due(self) -> int | None:
        """Training batches that may run at once; None if any number may."""
        return min((n for c in self.callbacks if (n := c.batches_until_due()) is not None), default=None)

    def reads(self, kind: str) -> bool:
        """Whether anybody looks at an evaluation ("test") or a prediction ("predict") while it runs."""
        return self.watched[kind] or self.watched["reading"]

    def accept(self, error) -> bool:
        """Whether a callback wants training to end at a loss that is not finite."""
        return any(c.on_nonfinite(error) for c in self.callbacks)


class Batches:
    """The hooks of the batches that only read: each is run by a call of its own if a callback looks at batches.

    Arguments:
        watchers: the callbacks.
        kind: "test" or "predict".
        logs: gives the logs of a batch, from the batches and rows that are done.
    """

    def __init__(self, watchers: Watchers, kind: str, logs: Callable[[int, int], dict]):
        self.watchers, self.kind, self.logs = watchers, kind, logs
        self.each = watchers.watched[kind]

    def longest(self) -> int | None:
        """Batches that may run at once; None if any number may."""
        return 1 if self.each else None

    def begin(self, done: int):
        """Before a compiled call."""
        if self.each:
            self.watchers(f"on_{self.kind}_batch_begin", done)

    def end(self, done: int, rows: int):
        """After one."""
        if self.each:
            self.watchers(f"on_{self.kind}_batch_end", done - 1, logs=self.logs(done, rows))
        self.watchers("on_read_progress", rows)
