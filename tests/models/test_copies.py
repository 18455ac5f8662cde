"""Copies, files and clones of models of every form go on as the original would, bit for bit."""

import copy
import json
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gpubp
from gpubp import Input, Model, Sequential, layers, ops
from gpubp.saving import ModelFileError, load_model
from tests.models.oracle import X2, X, Y, flat
from tests.test_saving import read, rewrite


def functional():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    h = layers.Dense(5, "relu", name="h")(a)
    y = layers.Concatenate()([h[:, :3] * b, ops.sum(h, axis=-1, keepdims=True) / 2 + 1.5])
    return Model([a, b], [layers.Dense(1, name="u")(y), layers.Dropout(0.2)(layers.Dense(1, name="v")(-y))])


def nested():
    inner = Sequential([Input((4,)), layers.Dense(4, "tanh"), layers.Dropout(0.3)], name="inner")
    m = Input((4,))
    middle = Model(m, {"sum": inner(m) + m, "same": m}, name="middle")
    a, b = Input((4,), name="a"), Input((3,), name="b")
    out = middle(middle(a)["sum"])
    u = layers.Dense(1, name="u")(out["sum"])
    return Model([a, b], [u, layers.Dense(1, name="v")(layers.Concatenate()([out["same"], b]))])


def shared():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    one, two = layers.Dense(3, "elu"), layers.Dense(1)
    return Model([a, b], [two(one(a)), layers.Dense(1, name="v")(layers.BatchNormalization()(one(a) * b + one(-a)))])


class Written(Model):
    def __init__(self, units=4, **others):
        super().__init__(**others)
        self.units, self.hidden = units, [layers.Dense(units, "relu") for _ in range(2)]
        self.u, self.v = layers.Dense(1), layers.Dense(1)

    def call(self, inputs):
        a, b = inputs
        h = self.hidden[0](a) + self.hidden[1](b)
        return [self.u(h), self.v(h)]

    def get_config(self):
        return {"units": self.units, "name": self.name}


def built(make):
    gpubp.set_random_seed(4)
    model = make()
    model.compile(
        gpubp.optimizers.Adam(0.01),
        loss=["mse", gpubp.losses.Huber(0.5)],
        loss_weights=[1.0, 0.3],
        metrics=[["mae"], [gpubp.metrics.RootMeanSquaredError(name="rmse")]],
    )
    fit(model, 1)
    return model


def fit(model, epochs):
    return model.fit([X, X2], [Y, -Y], batch_size=8, epochs=epochs, verbose=0).history


def through_a_file(model, path):
    model.save(path)
    return load_model(path, {"Written": Written})


WAYS = {
    "deepcopy": lambda model, path: copy.deepcopy(model),
    "pickle": lambda model, path: pickle.loads(pickle.dumps(model)),
    "file": through_a_file,
    "a file of a copy": lambda model, path: through_a_file(copy.deepcopy(model), path),
}


@pytest.mark.parametrize("make", [functional, nested, shared, Written])
@pytest.mark.parametrize("way", WAYS)
def test_a_copy_goes_on_as_the_original(make, way, tmp_path):
    model = built(make)
    twin = WAYS[way](model, tmp_path / "model.safetensors")
    for a, b in zip(model.predict([X, X2], verbose=0), twin.predict([X, X2], verbose=0), strict=True):
        assert np.array_equal(a, b)
    before = flat(twin)
    history = fit(model, 3)
    assert np.array_equal(flat(twin), before)
    assert fit(twin, 3) == history
    assert np.array_equal(flat(twin), flat(model))
    assert list(twin.paths()) == list(model.paths())
    assert (twin.output_names, twin.input_names) == (model.output_names, model.input_names)


@pytest.mark.parametrize("make", [functional, nested, shared])
def test_a_clone_has_the_same_form_and_weights_of_its_own(make):
    model = built(make)
    clone = gpubp.clone_model(model)
    assert [v.shape for v in clone.variables] == [v.shape for v in model.variables]
    assert not clone.compiled
    assert not np.array_equal(flat(clone), flat(model))
    clone.set_weights(model.get_weights())
    for a, b in zip(model.predict([X, X2], verbose=0), clone.predict([X, X2], verbose=0), strict=True):
        assert np.array_equal(a, b)


def test_what_is_frozen_stays_so(tmp_path):
    model = built(nested)
    model.get_layer("middle").trainable = False
    for way in WAYS.values():
        twin = way(model, tmp_path / "model.safetensors")
        assert [v.trainable for v in twin.variables] == [v.trainable for v in model.variables]


def test_a_layer_of_ones_own_needs_to_be_given(tmp_path):
    model = built(Written)
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ModelFileError, match="custom_objects"):
        load_model(tmp_path / "model.safetensors")


def test_a_file_of_the_first_version_still_loads(tmp_path):
    """It knew Sequential models with one loss: input_shape, loss and metrics lay beside each other."""
    gpubp.set_random_seed(0)
    model = Sequential([Input((4,)), layers.Dense(3, "relu", name="hidden"), layers.Dense(1, name="last")])
    model.compile(gpubp.optimizers.Adam(0.01), "mse", metrics=["mae"])
    model.fit(X, Y, verbose=0)
    path = tmp_path / "model.safetensors"
    model.save(path)

    def downgrade(description, tensors):
        shapes, objective = description.pop("input_shapes"), description.pop("objective")
        description.pop("updates")
        description |= {"input_shape": shapes[0], "loss": objective["loss"], "metrics": objective["metrics"]}
        if isinstance(description["loss"], str):
            description["loss"] = {"class_name": "MeanSquaredError", "config": {}}
        return {"gpubp_format": "1", "gpubp_model": json.dumps(description)}

    rewrite(path, downgrade)
    again = load_model(path)
    assert np.array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    for each in (model, again):
        each.fit(X, Y, epochs=2, verbose=0)
    assert np.array_equal(flat(again), flat(model))


# Hostile drawings

HOSTILE = [
    None, True, -1, 0, 10**6, 10**12, 10**30, 1.5, float("nan"), "", "x", "a", "matmul", "../..", [], {}, [[]],
    [10**12], [10**12, 10**12], {"k": 1, "c": 10**12}, {"k": 10**12, "c": 0}, {"symbol": 0}, {"list": [{"symbol": 99}]},
    {"dict": 3}, {"value": 10**12}, {"op": "broadcast_to", "inputs": [0], "attrs": {"shape": [10**12]}}, {"input": "a"},
    {"op": "matmul", "inputs": [0, 0], "attrs": {}}, {"constant": 10**400, "dtype": "float32"}, {"scalar": "rows"},
    {"layer": "h", "call": 0, "output": 7, "arguments": {"tuple": []}},
]  # fmt: skip


def places(tree, path=()):
    """The paths of everything in nested lists and dicts."""
    yield path
    for key, branch in tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ():
        yield from places(branch, (*path, key))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "model.safetensors"
    built(functional).save(path)
    config = json.loads(read(path)[0]["gpubp_model"])["config"]
    return path, path.read_bytes(), [p for p in places(config) if p]


@settings(max_examples=300, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_hostile_drawing_gives_a_model_or_an_error_of_the_file(saved, data):
    """Numbers out of range, cycles, giant shapes, unknown ops: no other error, no crash, no gigabytes, no hang."""
    path, contents, spots = saved
    path.write_bytes(contents)
    *way, last = data.draw(st.sampled_from(spots))
    value = data.draw(st.sampled_from(HOSTILE))

    def spoil(description, tensors):
        branch = description["config"]
        for key in way:
            branch = branch[key]
        branch[last] = value

    rewrite(path, spoil)
    try:
        model = load_model(path)
    except ModelFileError:
        return
    assert flat(model).size == sum(a.size for name, a in read(path)[1].items() if not name.startswith("optimizer/"))


GIANTS = {
    "zeros": {"op": "broadcast_to", "inputs": [0], "attrs": {"shape": [10**6, 10**6]}},
    "a repeat": {"op": "broadcast_to", "inputs": [0], "attrs": {"shape": [10**12, {"k": 1, "c": 0}, 4]}},
    "a constant": {"constant": 1e300, "dtype": "S1000000000"},
    "a cycle": {"op": "add", "inputs": [2, 2], "attrs": {}},
    "a private op": {"op": "_unary", "inputs": [0], "attrs": {}},
}


@pytest.mark.parametrize("giant", GIANTS)
def test_a_drawing_of_giants_takes_no_memory(saved, giant, tmp_path):
    import resource

    _, contents, _ = saved
    path = tmp_path / "model.safetensors"
    path.write_bytes(contents)

    def spoil(description, tensors):
        description["config"]["drawing"].insert(2, GIANTS[giant])

    rewrite(path, spoil)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError):
        load_model(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes
