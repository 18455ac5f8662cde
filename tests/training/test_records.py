"""Callbacks that keep something of a training: tables, model files, histories."""

import csv
import pickle

import numpy as np
import pytest

import gpubp
from gpubp.callbacks import BackupAndRestore, CSVLogger, History, LambdaCallback, ModelCheckpoint, TensorBoard
from tests.training.watching import Script, regression, scripted

# Files


def rows(path, separator=","):
    with path.open(newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_csv_holds_the_history(data, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("old")
    model = regression(metrics=["mae"])
    history = model.fit(*data, epochs=3, validation_data=data, callbacks=[CSVLogger(path)], verbose=0)
    head, *body = rows(path)
    assert head == ["epoch", *sorted(history.history)]
    for epoch, row in enumerate(body):
        assert [float(v) for v in row] == [epoch, *(history.history[name][epoch] for name in head[1:])]
    assert len(body) == 3


def test_csv_appends_and_leaves_room_for_validation(data, tmp_path):
    path, model = tmp_path / "log.csv", regression()
    for append in (False, True):
        model.fit(*data, epochs=2, callbacks=[CSVLogger(path, ";", append)], verbose=0)
    head, *body = rows(path, ";")
    assert head == ["epoch", "loss", "val_loss"]
    assert [(row[0], row[2]) for row in body] == [("0", "NA"), ("1", "NA")] * 2


def test_csv_holds_each_epoch_once_after_a_stop(data, tmp_path):
    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    def run(*more):
        callbacks = [CSVLogger(tmp_path / "log.csv"), BackupAndRestore(tmp_path / "backup"), *more]
        regression().fit(*data, epochs=4, callbacks=callbacks, verbose=0)

    with pytest.raises(KeyboardInterrupt):
        run(LambdaCallback(on_epoch_end=stop))  # its row is written, but not in the backup
    run()
    assert [row[0] for row in rows(tmp_path / "log.csv")] == ["epoch", "0", "1", "2", "3"]


def test_a_csv_that_cannot_be_written_is_refused_before_training(data, tmp_path):
    model = regression()
    with pytest.raises(FileNotFoundError):
        model.fit(*data, callbacks=[CSVLogger(tmp_path / "missing" / "log.csv")], verbose=0)
    assert model.iterations == 0


class Saving:
    """Notes where a model is saved, in place of writing it."""

    def __init__(self, model):
        self.saved = []
        model.save = lambda path, overwrite=True: self.saved.append(("model", str(path), model.iterations))
        model.save_weights = lambda path, overwrite=True: self.saved.append(("weights", str(path), model.iterations))

    def names(self):
        return [path.rsplit("/")[-1] for _, path, _ in self.saved]


def test_checkpoints_are_named_by_epoch_and_logs(tmp_path):
    model = regression()
    saving = Saving(model)
    scripted(ModelCheckpoint(tmp_path / "a" / "{epoch:02d}-{val_loss:.2f}.x"), [0.5, 0.25], model=model)
    assert saving.saved == [("model", str(tmp_path / "a" / n), k) for n, k in (("01-0.50.x", 1), ("02-0.25.x", 2))]
    assert (tmp_path / "a").is_dir()


@pytest.mark.parametrize(
    ("options", "epochs"),
    [
        ({}, [1, 3, 4]),
        ({"initial_value_threshold": 0.35}, [4]),
        ({"mode": "max"}, [1, 2]),
    ],
)
def test_only_the_best_is_saved(tmp_path, options, epochs):
    model = regression()
    saving = Saving(model)
    checkpoint = ModelCheckpoint(f"{tmp_path}/{{epoch}}", save_best_only=True, save_weights_only=True, **options)
    scripted(checkpoint, [0.5, 0.6, 0.4, 0.3, 0.3], model=model)
    assert saving.saved == [("weights", f"{tmp_path}/{e}", e) for e in epochs]


def test_a_checkpoint_is_the_model_of_its_epoch(data, tmp_path):
    model = regression("adam")
    script = Script(val_loss=[0.3, 0.1, 0.2])
    best = ModelCheckpoint(tmp_path / "best.safetensors", save_best_only=True)
    model.fit(*data, epochs=3, callbacks=[script, best], verbose=0)
    again = gpubp.load_model(tmp_path / "best.safetensors")
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), script.weights[1], strict=True))
    again.fit(*data, epochs=3, initial_epoch=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(again.get_weights(), model.get_weights(), strict=True))


def test_checkpoints_every_so_many_batches_go_on_over_epochs(data, tmp_path):
    model = regression()
    saving = Saving(model)
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}-{batch}", save_freq=2)
    model.fit(*data, batch_size=8, epochs=3, callbacks=[checkpoint], verbose=0)
    assert saving.names() == ["1-2", "2-1", "2-3", "3-2"]


def test_a_name_that_is_not_in_the_logs_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="names 'val_los', but there is only epoch, loss"):
        regression().fit(*data, callbacks=[ModelCheckpoint(tmp_path / "{val_los}")], verbose=0)
    with pytest.raises(IsADirectoryError):
        regression().fit(*data, callbacks=[ModelCheckpoint(tmp_path)], verbose=0)


def test_tensorboard_gets_the_logs(data, tmp_path):
    board = TensorBoard(tmp_path, update_freq=2)
    regression().fit(*data, batch_size=8, epochs=2, validation_data=data, callbacks=[board], verbose=0)
    for part, tags in (("train", {b"epoch_loss": 2, b"batch_loss": 3}), ("validation", {b"epoch_loss": 2})):
        (file,) = (tmp_path / part).iterdir()
        found = file.read_bytes()
        assert {tag: found.count(tag) for tag in tags} == tags


# Functions and history


def test_unknown_hooks_are_refused():
    with pytest.raises(ValueError, match="did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_ends=print)


def test_a_history_of_ones_own_is_the_one_that_is_returned(data):
    own, model = History(), regression()
    assert model.fit(*data, epochs=2, callbacks=[own], verbose=0) is own
    assert model.history is own
    assert own.epoch == [0, 1]
    assert len(own.history["loss"]) == 2


def test_the_history_holds_what_an_interrupted_training_has_seen(data):
    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    model = regression()
    with pytest.raises(KeyboardInterrupt):
        model.fit(*data, epochs=5, callbacks=[LambdaCallback(on_epoch_end=stop)], verbose=0)
    assert model.history.epoch == [0, 1]


def test_a_history_can_be_pickled(data):
    history = regression().fit(*data, callbacks=[LambdaCallback(on_epoch_end=lambda epoch, logs: None)], verbose=0)
    assert pickle.loads(pickle.dumps(history)).history == history.history
