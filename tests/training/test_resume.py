"""Exact resume: a training that was stopped anywhere ends as one that was never stopped, bit for bit."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gpubp
from gpubp.callbacks import BackupAndRestore, Callback
from gpubp.callbacks.backup import DamagedBackup, read, write
from gpubp.layers import Dense
from tests.training import resuming

ROOT = Path(__file__).parents[2]


class Stop(Exception):  # noqa: N818 - whatever stops a script
    pass


class StopAt(Callback):
    """Stops after a number of batches, or at the end of an epoch."""

    def __init__(self, batches=None, epoch=None):
        super().__init__()
        self.batches, self.epoch = batches, epoch

    def batches_until_due(self):
        return self.batches and max(1, self.batches - self.model.iterations)

    def on_train_batch_end(self, batch, logs=None):
        if self.model.iterations == self.batches:
            raise Stop

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Stop


def stopped_and_resumed(folder, at: list, **options):
    """The training, stopped at each of the places in turn."""
    for stop in at:
        with pytest.raises(Stop):
            resuming.run(folder=folder, also=(stop,), **options)
    return resuming.run(folder=folder, **options)


@pytest.mark.parametrize("kind", ["arrays", "sequence"])
@pytest.mark.parametrize("accumulate", [None, 3])
@pytest.mark.parametrize(
    ("save_freq", "at"), [("epoch", [13, 29, 30]), (1, [1, 12, 16, 43]), (5, [23, 24, 55]), (30, [70])]
)
def test_weights_slots_history_and_rate_are_those_of_an_uninterrupted_run(tmp_path, kind, accumulate, save_freq, at):
    options = {"kind": kind, "accumulate": accumulate}
    whole, told = resuming.run(**options)
    again, told_again = stopped_and_resumed(
        tmp_path / "backup", [StopAt(n) for n in at], save_freq=save_freq, **options
    )
    assert resuming.bits(again) == resuming.bits(whole)
    assert told_again.history == told.history
    assert told_again.epoch == told.epoch
    assert (again.iterations, again.updates, again.rate) == (whole.iterations, whole.updates, whole.rate)
    assert len(told.epoch) < 12  # it was stopped early, so the state of that mattered
    assert not (tmp_path / "backup").exists()


def test_a_resumed_run_takes_up_where_it_was_saved(tmp_path):
    """Rather than from the beginning, which would end the same."""
    seen = []

    class See(Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append((self.model.position.epoch, batch))

    with pytest.raises(Stop):
        resuming.run(folder=tmp_path, save_freq=3, also=(StopAt(19),))
    resuming.run(folder=tmp_path, save_freq=3, also=(See(),))
    assert seen[0] == (2, 2)  # after 18 batches of 8 an epoch


def test_another_process_resumes(tmp_path):
    code = "import sys; from tests.training import resuming; made, _ = resuming.run(folder=sys.argv[1], save_freq=3)"
    code += "; print(resuming.bits(made).hex())"
    with pytest.raises(Stop):
        resuming.run(folder=tmp_path, save_freq=3, also=(StopAt(19),))
    arguments = [sys.executable, "-c", code, str(tmp_path)]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    assert found == resuming.bits(resuming.run()[0]).hex()


def test_the_seed_comes_from_the_backup(tmp_path):
    """A script that sets none draws another one in each run."""
    x, y = resuming.data()

    def run(stop=None, seed=None):
        made = resuming.model()
        made.seed = seed or made.seed
        made.fit(x, y, epochs=3, callbacks=[BackupAndRestore(tmp_path), *([stop] if stop else [])], verbose=0)
        return resuming.bits(made)

    whole = run()
    with pytest.raises(Stop):
        run(StopAt(epoch=1))
    assert run(seed=12345) == whole


def test_a_generator_resumes_at_the_next_epoch(tmp_path):
    x, y = resuming.data()

    def batches(epochs):
        for _ in range(epochs):
            yield from ((x[k : k + 8], y[k : k + 8]) for k in range(0, 62, 8))

    def run(epochs, *stop, folder=None):
        made = resuming.model()
        backup = [BackupAndRestore(folder, 3)] if folder else []
        made.fit(batches(epochs), steps_per_epoch=8, epochs=4, callbacks=[*backup, *stop], verbose=0)
        return made

    with pytest.raises(Stop):
        run(4, StopAt(13), folder=tmp_path)
    again = run(3, folder=tmp_path)  # the first epoch was saved
    assert resuming.bits(again) == resuming.bits(run(4))


def test_a_run_that_was_stopped_by_a_callback_stays_so(tmp_path):
    """It is killed after the backup of its last epoch, before the best weights are set."""

    class StopAtTheEnd(Callback):
        def on_train_end(self, logs=None):
            raise Stop

    again, told = stopped_and_resumed(tmp_path, [StopAtTheEnd()])
    whole, all_told = resuming.run()
    assert resuming.bits(again) == resuming.bits(whole)
    assert told.history == all_told.history


def test_backups_may_stay_and_more_epochs_follow(tmp_path):
    x, y = resuming.data()

    def run(epochs, folder):
        made = resuming.model()
        made.fit(x, y, epochs=epochs, callbacks=[BackupAndRestore(folder, delete_checkpoint=False)], verbose=0)
        return resuming.bits(made)

    run(2, tmp_path / "a")
    assert run(5, tmp_path / "a") == run(5, tmp_path / "b")


OPTIMIZERS = {
    **{name: (c, {}) for name, c in gpubp.optimizers.CLASSES.items() if name != "LBFGS"},
    "averaged": (gpubp.optimizers.Adam, {"use_ema": True, "ema_overwrite_frequency": 5, "clipnorm": 0.1}),
    "decayed": (gpubp.optimizers.SGD, {"momentum": 0.9, "weight_decay": 0.01}),
    "scheduled": (gpubp.optimizers.AdamW, {"learning_rate": gpubp.optimizers.schedules.CosineDecay(0.01, 20)}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_optimizer_resumes(tmp_path, name):
    """With statistics, noise and dropout in the model, in the middle of the third epoch and of the fifth."""
    kind, options = OPTIMIZERS[name]
    x, y = resuming.data()

    def run(folder=None, *stop):
        gpubp.set_random_seed(3)
        noisy = [gpubp.layers.BatchNormalization(), gpubp.layers.GaussianNoise(0.1), gpubp.layers.Dropout(0.2)]
        made = gpubp.Sequential([gpubp.Input((4,)), Dense(6, "relu"), *noisy, Dense(1)])
        made.compile(kind(**options), "mse")
        callbacks = [BackupAndRestore(folder, 3)] if folder else []
        made.fit(x, y[:, None], batch_size=9, epochs=6, callbacks=[*callbacks, *stop], verbose=0)
        return resuming.bits(made)

    for batches in (19, 31):
        with pytest.raises(Stop):
            run(tmp_path / "backup", StopAt(batches))
    assert run(tmp_path / "backup") == run()


def test_minimisation_goes_on_from_the_weights_and_the_epoch(tmp_path):
    x, y = resuming.data()

    def run(*callbacks):
        gpubp.set_random_seed(3)
        made = gpubp.Sequential([gpubp.Input((4,)), Dense(6, "tanh"), Dense(1)])
        made.compile("lbfgs", "mse")
        return made.fit(x, y[:, None], epochs=8, callbacks=list(callbacks), verbose=0)

    with pytest.raises(Stop):
        run(BackupAndRestore(tmp_path), StopAt(epoch=4))
    history, whole = run(BackupAndRestore(tmp_path)), run()
    assert history.epoch == whole.epoch
    assert history.history["loss"][:4] == whole.history["loss"][:4]
    assert history.history["loss"][4] < history.history["loss"][3]


# Damage


def saved(folder):
    """Two backups, of the epochs 1 and 2."""
    with pytest.raises(Stop):
        resuming.run(folder=folder, also=(StopAt(23),))
    latest, previous = folder / "latest.safetensors", folder / "previous.safetensors"
    assert [read(p)[1]["position"]["epoch"] for p in (latest, previous)] == [2, 1]
    return latest, previous


def flipped(contents: bytes, at: int) -> bytes:
    return contents[:at] + bytes([contents[at] ^ 4]) + contents[at + 1 :]


@pytest.mark.parametrize("where", [0.0, 0.1, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("torn", [False, True])
def test_a_damaged_backup_is_not_used_but_the_one_before(tmp_path, where, torn):
    latest, _ = saved(tmp_path)
    contents = latest.read_bytes()
    at = int(where * len(contents))
    latest.write_bytes(contents[:at] if torn else flipped(contents, at))
    with pytest.warns(UserWarning, match="the backup before it is used"):
        again, told = resuming.run(folder=tmp_path)
    whole, all_told = resuming.run()
    assert resuming.bits(again) == resuming.bits(whole)
    assert told.history == all_told.history


def test_without_a_whole_backup_nothing_begins(tmp_path):
    for path in saved(tmp_path):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=r"latest.*no other is whole: remove .* to begin anew|previous.*no other is whole"
    ):
        resuming.run(folder=tmp_path)


def test_each_flipped_byte_is_noticed(tmp_path):
    path = tmp_path / "backup"
    write(path, {"a": np.arange(3.0), "b": np.float32(2).reshape(())}, {"epoch": 1})
    contents = path.read_bytes()
    arrays, facts = read(path)
    assert arrays["a"].tolist() == [0, 1, 2]
    assert arrays["b"].shape == ()
    assert facts == {"epoch": 1}
    for at in range(len(contents)):
        path.write_bytes(flipped(contents, at))
        with pytest.raises(DamagedBackup):
            read(path)


def test_a_backup_of_a_transposed_array_is_that_array(tmp_path):
    array = np.arange(6.0).reshape(2, 3).T
    write(tmp_path / "backup", {"a": array}, {})
    assert np.array_equal(read(tmp_path / "backup")[0]["a"], array)


def test_what_an_interrupted_write_has_left_is_removed(tmp_path):
    left = tmp_path / ".latest.safetensors.0123abcd.tmp"
    left.write_bytes(b"half")
    resuming.run(folder=tmp_path, epochs=1)
    assert not tmp_path.exists()


# Refusal


def other(units=7, optimizer="adam", batch_size=8, names=("first", "second")):
    made = gpubp.Sequential([gpubp.Input((4,)), Dense(units, name=names[0]), Dense(2, name=names[1])])
    made.compile(optimizer, "mse")
    x, y = np.ones((20, 4), np.float32), np.ones((20, 2), np.float32)
    return lambda folder, *stop: made.fit(
        x, y, batch_size, 3, callbacks=[BackupAndRestore(folder, 1), *stop], verbose=0
    ), made


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units": 8}, r"weights/first/kernel is float32\(4, 7\) there and float32\(4, 8\) here"),
        ({"names": ("one", "second")}, "weights/one/kernel is missing there"),
        ({"optimizer": "sgd"}, "the optimizer is Adam there and SGD here"),
        (
            {"optimizer": gpubp.optimizers.Adam(lambda step: 0.1)},
            "its learning rate is a number there and a function here",
        ),
        ({"batch_size": 4}, "batch_size of the data is 8 there and 4 here"),
    ],
)
def test_a_backup_of_another_training_is_refused_with_the_difference(tmp_path, change, message):
    with pytest.raises(Stop):
        other()[0](tmp_path, StopAt(2))
    fit, made = other(**change)
    before = resuming.bits(made)
    with pytest.raises(ValueError, match=message):
        fit(tmp_path)
    assert resuming.bits(made)[: len(before)] == before
    assert made.iterations == 0


@pytest.mark.parametrize("save_freq", ["batch", 0, -1, True, 1.5])
def test_bad_arguments_are_refused(tmp_path, save_freq):
    with pytest.raises(ValueError, match="save_freq is 'epoch' or a positive number"):
        BackupAndRestore(tmp_path, save_freq)
    with pytest.raises(ValueError, match="backup_dir"):
        BackupAndRestore("")


def test_a_model_that_is_not_built_is_refused(tmp_path):
    x, y = resuming.data()
    made = gpubp.Sequential([Dense(1)])
    made.compile("sgd", "mse")
    with pytest.raises(ValueError, match="is built: build"):
        made.fit(resuming.Sequence(x, y[:, None]), callbacks=[BackupAndRestore(tmp_path)], verbose=0)


# Killing


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_hundred_kills_at_random_moments_change_nothing(tmp_path):
    """Whatever the process was doing: computing, writing, renaming, validating."""
    command = [sys.executable, "-m", "tests.training.killing", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stderr
    told = json.loads(found.stdout)
    assert told["kills"] >= 100
    assert told["different"] == []
    assert told["resumed"] > 50  # most of the kills hit a run that had something to lose
    shutil.rmtree(tmp_path)
