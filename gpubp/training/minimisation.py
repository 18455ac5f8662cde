"""Training by L-BFGS: the host asks for the loss and the gradient over all rows, and moves the weights."""

import numpy as np

from gpubp.engine.plan import GRADS, Operand
from gpubp.training.feeds import feed
from gpubp.training.loop import Position, Runner


class Minimisation:
    """Iterations over all rows, each of which counts as an epoch.

    Arguments:
        model: what is trained.
        runner: of its gradient program.
        rows: the data.
        watchers: the callbacks.
    """

    def __init__(self, model, runner: Runner, rows, watchers):
        self.model, self.runner, self.rows, self.watchers = model, runner, rows, watchers
        self.device = runner.executor.memory.device
        self.feed = feed(runner, rows)
        flat = model._store.flat
        self.weights = model._store.view(flat)
        self.gradients = Operand(GRADS, 0, flat.dtype, flat.shape)
        self.logs: dict[str, float] = {}

    def run(self, epochs: int, initial_epoch: int, validate) -> dict:
        """Minimises for epochs `initial_epoch` to `epochs` - 1, or until the optimizer is done; the last logs.

        It goes on where a callback has put the position, without what the optimizer knew of the curvature.
        """
        optimizer, model = self.model.optimizer, self.model
        at = model.position or Position(initial_epoch, 0, model.iterations)
        logs: dict = {}
        epoch = at.epoch
        if epoch >= epochs or model.stop_training:
            return logs
        model.position = at
        self.watchers("on_epoch_begin", epoch)

        def after_iteration(x, value):
            nonlocal epoch, logs
            model.updates += 1
            self._move_to(x)
            logs = self.logs | {"loss": value} | validate(epoch, self.watchers)
            epoch += 1
            model.position = Position(epoch, 0, model.iterations)
            self.watchers("on_epoch_end", epoch - 1, logs=logs)
            if epoch >= epochs or model.stop_training:
                raise StopIteration
            self.watchers("on_epoch_begin", epoch)

        found = optimizer.minimize(
            self._evaluate, np.array(self.device.download(self.weights), np.float64), after_iteration
        )
        self._move_to(found.x)
        model.position = None
        return logs

    def _move_to(self, x):
        self.device.copy(self.weights, np.asarray(x, self.weights.dtype))

    def _evaluate(self, x):
        """Loss and gradient over all rows, at a point."""
        model, runner = self.model, self.runner
        self._move_to(x)
        runner.set(step=model.iterations, updates=model.updates, seed=model.seed)
        runner.reset()
        self.feed.begin(np.arange(len(self.rows)))
        try:
            runner.walk(len(self.rows), lambda batch: f"training by L-BFGS, batch {batch + 1}", ready=self.feed.ready)
        finally:
            model.iterations = runner.get("step")
            self.feed.end()
        self.logs = runner.means()
        divisor = float(runner.executor.memory.read(runner.program.scalars["divisor"]))
        gradient = np.array(runner.executor.memory.read(self.gradients), np.float64)
        return self.logs["loss"], gradient / divisor
