"""Model files that are not what they should be: errors, no crashes, no code that runs, no memory on a word alone."""

import contextlib
import os
import struct
import time
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gpubp.layers import Dense
from gpubp.losses import MeanSquaredError
from gpubp.optimizers import SGD
from gpubp.saving import ModelFileError, load_model

from .test_saving import Scale, everything, read, rewrite, same_bits, small, write


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def edit(**changes):
    def change(description, tensors):
        description.update(changes)

    return change


def layer(**changes):
    def change(description, tensors):
        description["config"]["layers"][1].update(changes)

    return change


def config(**changes):
    def change(description, tensors):
        description["config"]["layers"][1]["config"].update(changes)

    return change


def tensor(name, array=None):
    def change(description, tensors):
        if array is None:
            del tensors[name]
        else:
            tensors[name] = array

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (layer(class_name="Dens"), "unknown layer class 'Dens'; did you mean 'Dense'"),
        (edit(optimizer={"class_name": "Adm", "config": {}}), "unknown optimizer class 'Adm'; did you mean 'Adam'"),
        (edit(objective={"loss": {"class_name": "os.system", "config": {}}}), "unknown loss class 'os.system'"),
        (edit(objective={"metrics": ["acuracy"]}), "unknown metric 'acuracy'; did you mean 'accuracy'"),
        (edit(class_name="Modal"), "unknown layer class 'Modal'; did you mean 'Model'"),
        (edit(class_name="Dense", config={"units": 3}), "is a layer, but no model"),
        (edit(seed=0), "out of range"),
        (edit(iterations=1 << 63), "out of range"),
        (edit(iterations=True), "no 'iterations', or one of the wrong type"),
        (edit(input_shapes=[[3]]), "'input_shapes' are ..3.., but its model takes ..2,.."),
        (edit(config={}), "damaged.*layers"),
        (edit(config={"name": "m", "layers": []}), "is not built"),
        (config(units=-1), "layer 'Dense' can't be made from its configuration: .*units"),
        (config(unit=5), "layer 'Dense' can't be made from its configuration: .*unit"),
        (config(activation="rely"), "did you mean 'relu'"),
        (
            config(units=10**12),
            "'kernel' of the layer 'dense' has shape .2, 1000000000000., which is more than the file holds",
        ),
        (tensor("dense/bias"), "the tensor 'dense/bias' is missing"),
        (tensor("dense/more", np.zeros(2, np.float32)), r"the tensors \['dense/more'\] belong to nothing"),
        (tensor("dense/bias", np.zeros(4, np.float32)), r"shape \(4,\); its model needs \(3,\)"),
        (tensor("dense/bias", np.zeros(3)), "dtype float64; its model needs float32"),
        (tensor("optimizer/momentum/dense/bias", np.zeros(3, np.float32)), "'optimizer/momentum/dense/.*' is missing"),
        (edit(iterations=4), "'optimizer/momentum/dense/kernel' is missing"),
        (lambda description, tensors: {"gpubp_format": "2"}, "is damaged or not a model file"),
        (
            lambda description, tensors: {"gpubp_format": "3", "gpubp_model": "?"},
            "version '3'; this gpubp reads up to '2'",
        ),
        (lambda description, tensors: {"author": "somebody"}, "holds tensors, but no model of gpubp"),
        (lambda description, tensors: {"gpubp_format": "2", "gpubp_model": "[" * 100_000}, "damaged"),
        (lambda description, tensors: {"gpubp_format": "2", "gpubp_model": "[]"}, "no 'class_name'"),
        (lambda description, tensors: {"gpubp_format": "2", "gpubp_model": "9" * 5000}, "damaged"),
    ],
)
def test_a_file_that_does_not_fit_says_what_is_wrong(path, change, message):
    small(optimizer=SGD(0.1, momentum=0.9)).save(path)
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) <= 1000


def _as_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")


def _as_hdf5(path):
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


@pytest.mark.parametrize("read", [load_model, lambda path: small().load_weights(path)])
@pytest.mark.parametrize(
    ("written", "kind"), [(_as_zip, r"a zip archive, as \.keras"), (_as_hdf5, r"an HDF5 file, as \.h5")]
)
def test_files_of_keras_are_told_from_damaged_ones(path, written, kind, read):
    written(path)
    with pytest.raises(ModelFileError, match=rf"is {kind} files are; .*np\.savez.*set_weights") as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "damaged" not in str(caught.value)


def test_weights_come_over_as_the_error_says(tmp_path):
    there, here = small(), small()
    np.savez(tmp_path / "weights.npz", *there.get_weights())
    with np.load(tmp_path / "weights.npz") as arrays:
        here.set_weights(list(arrays.values()))
    assert all(np.array_equal(a, b) for a, b in zip(here.get_weights(), there.get_weights(), strict=True))


def test_rewriting_alone_changes_nothing(path):
    model = small()
    model.save(path)
    rewrite(path, lambda description, tensors: None)
    assert same_bits(everything(load_model(path)), everything(model))


def load_or_refuse(path):
    with contextlib.suppress(ModelFileError):
        return load_model(path)


def test_a_file_cut_anywhere_or_with_a_tail_is_refused(path):
    small().save(path)
    whole = path.read_bytes()
    for damaged in [whole[:n] for n in range(len(whole))] + [whole + b"\0", whole * 2]:
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match="damaged"):
            load_model(path)


QUICK = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_do_no_harm(path, flips):
    if not path.exists():
        small().save(path)
        (path.parent / "whole").write_bytes(path.read_bytes())
    raw = bytearray((path.parent / "whole").read_bytes())
    for position, mask in flips:
        raw[position % len(raw)] ^= mask
    path.write_bytes(raw)
    model = load_or_refuse(path)
    assert model is None or model.count_params() == 9


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["Dense", "SGD", 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def places(tree, *before):
    """The paths of all nodes of nested dicts and lists."""
    yield before
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from places(value, *before, key)


@QUICK
@given(data=st.data())
def test_any_description_loads_or_is_refused(path, data):
    small(Scale(), Dense(3, name="dense"), metrics=["mae"]).save(path)

    def change(description, tensors):
        *parents, last = data.draw(st.sampled_from([p for p in places(description) if p]))
        node = description
        for key in parents:
            node = node[key]
        node[last] = data.draw(JSON)

    rewrite(path, change)
    with contextlib.suppress(ModelFileError):
        load_model(path, {"Scale": Scale})


HUGE = [[1 << 40], [1 << 20, 1 << 20], [1 << 62, 4], [1 << 63], [0, 1 << 62], [3, 1 << 34]]


@pytest.mark.parametrize("shape", HUGE)
@pytest.mark.parametrize("claimed", [None, 12])
def test_a_header_that_claims_more_than_the_file_holds(path, shape, claimed):
    resource = pytest.importorskip("resource")
    small().save(path)
    metadata, _ = read(path)
    size = claimed or int(np.prod(shape, dtype=object)) * 4
    rows = {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}
    write(path, metadata, {"dense/kernel": rows}, bytes(12))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ModelFileError):
        load_model(path)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert time.perf_counter() - start < 5
    assert grown < 100_000 * (1024 if os.uname().sysname == "Darwin" else 1)


@pytest.mark.parametrize("length", [0, 1, 1 << 20, 1 << 40, (1 << 64) - 1])
def test_a_length_of_the_header_that_is_not_true(path, length):
    path.write_bytes(struct.pack("<Q", length) + b"{}" + bytes(100))
    with pytest.raises(ModelFileError, match="damaged"):
        load_model(path)


def test_configurations_that_ask_for_memory_get_none(path):
    resource = pytest.importorskip("resource")
    small(Dense(3, name="dense"), Dense(2, name="next")).save(path)
    rewrite(path, config(units=1 << 31))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match="more than the file holds"):
        load_model(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000 * 1024


def test_dtypes_that_numpy_does_not_know(path):
    """Unless another library has told it of them."""
    small().save(path)
    metadata, _ = read(path)
    header = {
        "dense/bias": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]},
        "dense/kernel": {"dtype": "F32", "shape": [2, 3], "data_offsets": [6, 30]},
    }
    write(path, metadata, header, bytes(30))
    with pytest.raises(ModelFileError, match=r"damaged|has dtype bfloat16"):
        load_model(path)


def test_a_model_of_a_loss_alone_in_its_configuration(path):
    small(loss=MeanSquaredError()).save(path)
    rewrite(path, edit(optimizer=None))
    assert load_model(path).optimizer is None
