"""Going on after a stop as if there had been none."""

import warnings
from collections import Counter
from pathlib import Path

import numpy as np

from gpubp.callbacks import backup
from gpubp.callbacks.save_freq import BatchCount
from gpubp.files import remove_unfinished
from gpubp.training.callbacks import Callback
from gpubp.training.loop import Position

WEIGHTS, SLOTS, SUMS, STATES = "weights/", "optimizer/", "sums/", "callbacks/"


class BackupAndRestore(Callback):
    """Saves training now and then, and takes it up again when the same script is run after a stop.

    The resumed run ends with the weights of one that was never stopped, bit for bit, for arrays and Sequences: weights,
    the optimizer's arrays, seed, position, sums of the loss and the metrics, and the states of callbacks are saved. Of
    an iterable, which can't be entered in its middle, only ends of epochs are saved, and it begins from its beginning.
    Where gradients are accumulated, only groups of batches that are complete are saved.

    Arguments:
        backup_dir: folder for the backups of this training alone. It holds the last one and the one before.
        save_freq: "epoch", or batches from one backup to the next. Default "epoch".
        double_checkpoint: taken for compatibility; two backups are kept anyway.
        delete_checkpoint: whether the backups are removed when training is done. Default True.

    Raises:
        ValueError: for another save_freq or no folder; when training begins, if the model is not built, if both backups
            are damaged, or if they are of another model or, in the middle of an epoch, of data in other batches.

    Source: https://keras.io/api/callbacks/backup_and_restore

    >>> import tempfile
    >>> import numpy as np
    >>> import gpubp
    >>> model = gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(1)])
    >>> model.compile("adam", "mse")
    >>> class PowerCut(gpubp.callbacks.Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         if epoch == 1 and len(model.history.epoch) < 2:
    ...             raise OSError("no power")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     callbacks = [gpubp.callbacks.BackupAndRestore(folder), PowerCut()]
    ...     try:
    ...         model.fit(np.ones((4, 2)), np.ones(4), epochs=3, callbacks=callbacks, verbose=0)
    ...     except OSError as error:
    ...         print(error)
    ...     callbacks.pop()
    ...     model.fit(np.ones((4, 2)), np.ones(4), epochs=3, callbacks=callbacks, verbose=0).epoch
    no power
    <...PowerCut object at ...>
    [0, 1, 2]
    """

    last = True  # what it saves are the others' states after the epoch

    def __init__(self, backup_dir, save_freq="epoch", double_checkpoint: bool = True, delete_checkpoint: bool = True):
        super().__init__()
        if not backup_dir:
            raise ValueError("backup_dir is the folder for the backups; it is empty")
        folder = Path(backup_dir)
        self.path, self.previous = folder / "latest.safetensors", folder / "previous.safetensors"
        self.count, self.delete_checkpoint = BatchCount(save_freq), delete_checkpoint

    def batches_until_due(self):
        return self.count.left() if self.params["random_access"] else None

    def on_train_begin(self, logs=None):
        if not self.model.built:
            raise ValueError(f"BackupAndRestore needs a model that is built: build {self.model.name!r} before fit")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(self.path)
        saved = self._read()
        if saved is not None:
            self._restore(*saved)
        self.count.begin(self.model)

    def on_train_batch_end(self, batch, logs=None):
        group = self.model.optimizer.gradient_accumulation_steps or 1
        at_end = batch + 1 == self.params["steps"]  # of the epoch, which is saved after its validation
        if self.count.due() and not at_end and (batch + 1) % group == 0 and self.params["random_access"]:
            self._save()

    def on_epoch_end(self, epoch, logs=None):
        if self.count.each_epoch or self.count.due():
            self._save()

    def on_train_end(self, logs=None):
        if not self.delete_checkpoint:
            return
        for path in (self.path, self.previous):
            path.unlink(missing_ok=True)
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    # Files

    def _save(self):
        if self.path.exists():
            self.path.replace(self.previous)
        backup.write(self.path, *self._contents())
        self.count.begin(self.model)

    def _read(self):
        """What the last backup holds that is whole; None if there is no backup."""
        damaged = None
        for path in (self.path, self.previous):
            try:
                found = backup.read(path)
            except FileNotFoundError:
                continue
            except backup.DamagedBackup as error:
                damaged = error
                continue
            if damaged:
                warnings.warn(f"{damaged}; the backup before it is used", stacklevel=2)
            path.replace(self.path)
            return found
        if damaged:
            raise ValueError(f"{damaged}, and no other is whole: remove {self.path.parent} to begin anew")
        return None

    # What a backup holds

    def _contents(self) -> tuple[dict[str, np.ndarray], dict]:
        model, position = self.model, self.model.position
        states, arrays = self._states()
        arrays |= self._own_arrays() | {SUMS + name: a for name, a in position.sums.items()}
        return arrays, {
            "traits": self._traits(bool(position.batch)),
            "position": {"epoch": position.epoch, "batch": position.batch, "start": position.start},
            "model": {name: getattr(model, name) for name in ("seed", "iterations", "updates", "stop_training")},
            "learning_rate": model.rate,
            "states": states,
        }

    def _traits(self, within: bool) -> dict[str, str]:
        """What has to be the same when training is taken up, within an epoch or between two."""
        optimizer, traits = self.model.optimizer, {}
        traits["the optimizer"] = type(optimizer).__name__
        traits["its learning rate"] = "a function" if callable(optimizer.learning_rate) else "a number"
        traits |= {name: f"{a.dtype}{a.shape}" for name, a in self._own_arrays().items()}
        if within:
            traits |= {f"{name} of the data": str(self.params[name]) for name in ("batch_size", "steps", "rows")}
        return traits

    def _own_arrays(self) -> dict[str, np.ndarray]:
        """The model's weights and the optimizer's arrays."""
        weights = {WEIGHTS + path: v.numpy() for path, v in self.model.paths().items()}
        return weights | {SLOTS + name: a for name, a in self.model.optimizer_state().items()}

    def _named(self) -> dict[str, Callback]:
        """The callbacks of this training by their classes' names, numbered."""
        seen: Counter = Counter()
        named = {}
        for c in self.watchers.callbacks:
            name = type(c).__name__
            named[f"{name}_{seen[name]}"] = c
            seen[name] += 1
        return named

    def _states(self) -> tuple[dict[str, dict], dict[str, np.ndarray]]:
        """The states of callbacks, their arrays apart."""
        states: dict[str, dict] = {}
        arrays: dict[str, np.ndarray] = {}
        for name, c in self._named().items():
            state = c.state()
            states[name] = {key: x for key, x in state.items() if not isinstance(x, np.ndarray)}
            arrays |= {f"{STATES}{name}/{key}": x for key, x in state.items() if isinstance(x, np.ndarray)}
        return states, arrays

    def _restore(self, arrays: dict[str, np.ndarray], facts: dict):
        """Sets everything to what a backup holds, if it is one of this training."""
        model = self.model
        model._ready()  # the optimizer has its arrays from now on
        self._check(facts)
        for path, variable in model.paths().items():
            variable.assign(arrays[WEIGHTS + path])
        model.set_optimizer_state(_under(SLOTS, arrays))
        for name, value in facts["model"].items():
            setattr(model, name, value)
        model.position = Position(**facts["position"], sums=_under(SUMS, arrays))
        if not callable(model.optimizer.learning_rate):
            model.optimizer.learning_rate = facts["learning_rate"]
        for name, c in self._named().items():
            if name in facts["states"]:
                c.set_state(facts["states"][name] | _under(f"{STATES}{name}/", arrays))

    def _check(self, facts):
        """Raises ValueError if a backup is of another model, optimizer or data."""
        saved, here = facts["traits"], self._traits(bool(facts["position"]["batch"]))
        for name in [*here, *saved]:
            there, now = saved.get(name, "missing"), here.get(name, "missing")
            if there != now:
                raise ValueError(
                    f"the backup in {self.path.parent} is of another training: {name} is {there} there and {now} here; "
                    "remove the folder to begin anew, or choose another"
                )


def _under(prefix: str, arrays: dict) -> dict:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
