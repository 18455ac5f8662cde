"""Model files: what they hold, that training goes on bit for bit, and that no file does harm."""

import copy
import json
import os
import pickle
import struct

import numpy as np
import pytest
from safetensors import safe_open

import gpubp
from gpubp import ops
from gpubp.layers import Activation, Dense, Dropout, Input, Layer
from gpubp.losses import Loss
from gpubp.optimizers import SGD, Adam
from gpubp.saving import ModelFileError, load_model, save_model
from gpubp.training.callbacks import Callback


def classifier(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=("accuracy",), seed=3):
    gpubp.set_random_seed(seed)
    layers = [
        Input((5,)),
        Dense(4, "relu", name="hidden"),
        Dropout(0.3),
        Dense(3, name="logits"),
        Activation("softmax"),
    ]
    model = gpubp.Sequential(layers)
    model.compile(optimizer, loss, metrics=list(metrics))
    return model


def small(*layers, **options):
    """A model that is never run."""
    gpubp.set_random_seed(0)
    model = gpubp.Sequential([Input((2,)), *(layers or [Dense(3, name="dense")])])
    model.compile(**({"optimizer": "sgd", "loss": "mse"} | options))
    return model


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    return rng.standard_normal((50, 5)).astype(np.float32), rng.integers(0, 3, 50)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def fit(model, data, epochs, initial_epoch=0):
    return model.fit(*data, batch_size=16, epochs=epochs, initial_epoch=initial_epoch, verbose=0).history


def same_bits(a, b):
    return a.keys() == b.keys() and all(x.tobytes() == b[name].tobytes() for name, x in a.items())


def everything(model):
    return {v.name: v.numpy() for v in model.variables} | model.optimizer_state()


def read(path):
    """Header and tensors, by the specification of the format alone."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header, body = json.loads(raw[8 : 8 + size]), raw[8 + size :]
    metadata = header.pop("__metadata__")
    dtypes = {"F32": np.float32, "F64": np.float64}
    tensors = {
        name: np.frombuffer(body[slice(*h["data_offsets"])], dtypes[h["dtype"]]).reshape(h["shape"])
        for name, h in header.items()
    }
    return metadata, tensors


def write(path, metadata, header, body=b""):
    text = json.dumps({"__metadata__": metadata, **header}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def rewrite(path, change):
    """The file again, after `change(description, tensors)`, which may give another metadata."""
    metadata, tensors = read(path)
    description, tensors = json.loads(metadata["gpubp_model"]), dict(tensors)
    metadata = change(description, tensors) or metadata | {"gpubp_model": json.dumps(description)}
    header, body = {}, b""
    for name, array in tensors.items():
        dtype = {4: "F32", 8: "F64"}[array.dtype.itemsize]
        offsets = [len(body), len(body) + array.nbytes]
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": offsets}
        body += array.tobytes()
    write(path, metadata, header, body)


# What a file holds


def test_a_loaded_model_is_equal(data, path):
    model = classifier()
    fit(model, data, 2)
    model.save(path)
    again = gpubp.load_model(path)
    assert same_bits(everything(again), everything(model))
    assert again.get_config() == model.get_config()
    assert (again.iterations, again.seed) == (model.iterations, model.seed) == (8, again.seed)
    assert again.evaluate(*data, verbose=0) == model.evaluate(*data, verbose=0)
    assert np.array_equal(again.predict(data[0]), model.predict(data[0]))


def test_the_file_is_safetensors_with_names_that_people_know(data, path):
    model = classifier(Adam(0.002, beta_1=0.8))
    fit(model, data, 1)
    model.save(path)
    metadata, tensors = read(path)
    weights = {"hidden/kernel", "hidden/bias", "logits/kernel", "logits/bias"}
    assert tensors.keys() == weights | {f"optimizer/{s}/{w}" for s in ("momentum", "velocity") for w in weights}
    assert metadata["gpubp_format"] == "2"
    description = json.loads(metadata["gpubp_model"])
    wanted = {"learning_rate": 0.002, "beta_1": 0.8, "beta_2": 0.999, "epsilon": 1e-7}
    assert wanted.items() <= description["optimizer"]["config"].items()
    assert description["objective"]["loss"] == "sparse_categorical_crossentropy"
    assert description["objective"]["metrics"] == ["accuracy"]
    assert [layer["class_name"] for layer in description["config"]["layers"]] == [
        "InputLayer", "Dense", "Dropout", "Dense", "Activation"
    ]  # fmt: skip
    with safe_open(path, framework="numpy") as file:
        assert np.array_equal(file.get_tensor("hidden/kernel"), model.get_weights()[0])


@pytest.mark.parametrize("order", [np.asfortranarray, lambda a: np.ascontiguousarray(a.T).T, lambda a: a[::-1][::-1]])
def test_arrays_of_any_order_are_written_right(path, order):
    model = small()
    kernel = model.variables[0]
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    kernel.array = order(values)
    model.save(path)
    assert read(path)[1]["dense/kernel"].tolist() == values.tolist()
    assert load_model(path).get_weights()[0].tolist() == values.tolist()


class Scalar(Layer):
    """Weights of no axis, of float64 and of no elements."""

    def build(self, input_shape):
        self.one = self.add_weight((), "ones", "float64", name="one")
        self.none = self.add_weight((0, 2), "zeros", "float64", name="none")

    def call(self, inputs, training=False):
        return inputs * ops.cast(self.one, inputs.dtype)


def test_numbers_of_numpy_are_numbers_wherever_they_are_given(path):
    """So is the product of a shape, and a rate that was drawn or computed in float32."""
    half, width = np.float32(0.5), np.prod((1, 2))
    layers = [Dropout(half), Dense(width, kernel_regularizer=gpubp.regularizers.L2(half))]
    optimizer = Adam(half, gradient_accumulation_steps=width, clipnorm=half)
    loss = gpubp.losses.Huber(half)
    for beginning in (
        [Input((width,))],
        [Input(width)],
        [Dense(width, input_dim=width)],
        [Activation("relu", input_shape=(width,))],
    ):
        model = gpubp.Sequential([*beginning, *layers])
        assert model.output_shape == (None, 2)
        model.compile(optimizer, loss)
        model.fit(np.ones((3, 2)), np.ones((3, 2)), verbose=0)
        model.save(path)
        again = load_model(path)
        assert again.layers[-2].rate == again.optimizer.learning_rate == again.loss.get_config()["delta"] == 0.5
        layers = [Dropout(half), Dense(width)]


def test_numbers_of_numpy_may_weigh_losses(path):
    x = Input((2,))
    model = gpubp.Model(x, [Dense(1)(x), Dense(1)(x)])
    model.compile("sgd", "mse", loss_weights=[np.float32(0.5), np.int64(2)])
    model.save(path)
    assert load_model(path).compiled_with["loss_weights"] == [0.5, 2]


def test_shapes_and_dtypes_stay(path):
    model = small(Scalar(name="s"))
    model.save(path)
    again = load_model(path, {"Scalar": Scalar})
    assert [(v.shape, v.dtype, v.array.tolist()) for v in again.variables] == [
        ((), np.float64, 1.0),
        ((0, 2), np.float64, []),
    ]


def test_a_model_that_is_not_compiled_or_has_no_input_layer(path):
    model = gpubp.Sequential([Dense(3)], name="bare")
    model.build((None, 2))
    model.save(path)
    again = load_model(path)
    assert (again.optimizer, again.loss, again.name, again.input_shape) == (None, None, "bare", (None, 2))
    assert same_bits(everything(again), everything(model))


def test_a_loaded_model_can_be_copied_sent_and_saved_again(data, path):
    model = classifier()
    fit(model, data, 1)
    model.save(path)
    (metadata, tensors), again = read(path), load_model(path)
    for other in (again, copy.deepcopy(again), pickle.loads(pickle.dumps(again))):
        other.save(path)
        assert read(path)[0] == metadata
        assert same_bits(read(path)[1], tensors)


def test_loading_leaves_the_random_seed_alone(path):
    small().save(path)
    gpubp.set_random_seed(5)
    load_model(path)
    after = gpubp.utils.next_seed()
    gpubp.set_random_seed(5)
    assert gpubp.utils.next_seed() == after


# Going on where training stopped


@pytest.mark.parametrize(
    "optimizer", [Adam(0.01), SGD(0.1, 0.9, nesterov=True), SGD(0.1)], ids=["adam", "nesterov", "sgd"]
)
def test_going_on_is_exact(data, path, optimizer):
    whole, part = (classifier(copy.deepcopy(optimizer)) for _ in range(2))
    wanted = fit(whole, data, 2)
    fit(part, data, 1)
    part.save(path)
    again = load_model(path)
    assert fit(again, data, 2, initial_epoch=1) == {name: values[1:] for name, values in wanted.items()}
    assert same_bits(everything(again), everything(whole))
    assert again.iterations == whole.iterations


def test_a_callback_may_save_after_every_epoch(data, tmp_path):
    class Keep(Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(tmp_path / f"{epoch}.safetensors")

    whole = classifier()
    whole.fit(*data, batch_size=16, epochs=3, callbacks=[Keep()], verbose=0)
    again = load_model(tmp_path / "1.safetensors")
    fit(again, data, 3, initial_epoch=2)
    assert same_bits(everything(again), everything(whole))


@pytest.mark.parametrize("frozen", [True, False])
def test_a_layer_frozen_or_freed_since_the_last_step(data, path, frozen):
    model = classifier()
    model.get_layer("hidden").trainable = frozen
    fit(model, data, 1)
    model.get_layer("hidden").trainable = not frozen
    model.save(path)
    again = load_model(path)
    for one in (model, again):
        fit(one, data, 2, initial_epoch=1)
    assert same_bits(everything(again), everything(model))


def test_before_the_first_step_the_optimizer_has_no_arrays(path):
    classifier().save(path)
    assert not [name for name in read(path)[1] if name.startswith("optimizer/")]
    assert load_model(path).optimizer_state() == {}


# Classes and functions of one's own


class Scale(Layer):
    def __init__(self, factor=2.0, name=None, trainable=True):
        super().__init__(name=name, trainable=trainable)
        self.factor = factor

    def build(self, input_shape):
        self.gain = self.add_weight(input_shape[1:], "ones", name="gain")

    def call(self, inputs, training=False):
        return inputs * self.gain * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Cubed(Loss):
    def call(self, y_true, y_pred):
        return ops.mean(ops.abs(y_pred - y_true) ** 3, axis=-1)


class Halved(SGD):
    def update_variable(self, parameter, gradient, rate, step, slots):
        return super().update_variable(parameter, gradient, rate * 0.5, step, slots)


def bias(y_true, y_pred):
    return ops.mean(y_pred - y_true, axis=-1)


OWN = {"Scale": Scale, "Cubed": Cubed, "Halved": Halved, "bias": bias}


def test_classes_and_metrics_of_ones_own(path):
    model = small(Scale(3.0, name="scale"), optimizer=Halved(0.2, 0.5), loss=Cubed(), metrics=[bias, "mae"])
    model.save(path)
    again = load_model(path, OWN)
    assert [type(x) for x in (again.layers[0], again.optimizer, again.loss)] == [Scale, Halved, Cubed]
    assert again.layers[0].factor == 3.0
    assert [m.name for m in again.metrics] == ["bias", "mae"]
    x = np.ones((2, 2), np.float32)
    assert np.array_equal(again(x), 3 * x)


@pytest.mark.parametrize("missing", OWN)
def test_what_is_ones_own_must_be_passed(path, missing):
    small(Scale(), optimizer=Halved(), loss=Cubed(), metrics=[bias]).save(path)
    with pytest.raises(ModelFileError, match=f"unknown .*'{missing}'.*custom_objects"):
        load_model(path, {name: own for name, own in OWN.items() if name != missing})


@pytest.mark.parametrize("wrong", [Cubed, bias, Scale(), "Scale", os.system])
def test_what_is_passed_must_be_a_class_of_its_kind(path, wrong):
    small(Scale()).save(path)
    with pytest.raises(ModelFileError, match="not a subclass of Layer"):
        load_model(path, {"Scale": wrong})


def impostor(name, base):
    return type(name, (base,), {})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: small(Dense(1, activation=lambda x: x)), "layer 'Dense' can't be saved: the activation"),
        (
            lambda: small(Dense(1, kernel_initializer=lambda s, rng: np.ones(s))),
            "'Dense' can't be saved: the initializer",
        ),
        (lambda: small(optimizer=SGD(lambda step: 0.1)), "optimizer 'SGD' can't be saved: .*is a function"),
        (lambda: small(Scale(float("inf"))), "'Scale' can't be saved: .*JSON"),
        (lambda: small(impostor("Dropout", Scale)()), "the layer class 'Dropout' of one's own has the name"),
        (lambda: small(loss=impostor("MeanSquaredError", Cubed)()), "the loss class 'MeanSquaredError'"),
        (lambda: small(optimizer=impostor("SGD", Halved)()), "the optimizer class 'SGD'"),
        (lambda: small(metrics=[type("accuracy", (), {"__name__": "accuracy", "__call__": bias})()]), "rename it"),
        (lambda: gpubp.Sequential([Dense(1)]), "is not built"),
    ],
)
def test_what_a_file_cannot_keep_is_refused_and_the_old_file_stays(path, model, message):
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=message):
        model().save(path)
    assert path.read_bytes() == b"old"


def test_arrays_of_one_name_are_refused(path):
    class Holder(Layer):
        def __init__(self, inner, **others):
            super().__init__(**others)
            self.inner = inner

        def call(self, inputs):
            return self.inner(inputs)

    layers = [Dense(2, name="dense"), Holder(Holder(Dense(2, name="dense"), name="momentum"), name="optimizer")]
    with pytest.raises(ValueError, match="share the names"):
        small(*layers, optimizer=SGD(0.1, momentum=0.9)).save(path)


def test_only_a_model_can_be_saved(path):
    with pytest.raises(TypeError, match="only a model"):
        save_model(Dense(1), path)


def test_a_file_that_is_there_may_be_protected(path):
    small().save(path)
    with pytest.raises(FileExistsError, match="overwrite"):
        small().save(path, overwrite=False)


# Writing


@pytest.mark.parametrize("stopped", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_an_interrupted_write_leaves_the_old_file_alone(path, monkeypatch, stopped, at):
    small().save(path)
    old = path.read_bytes()

    def stop(*arguments):
        raise stopped

    monkeypatch.setattr(os, at, stop)
    with pytest.raises(type(stopped)):
        small(Dense(7)).save(path)
    assert path.read_bytes() == old
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_is_not_there_and_one_in_place_of_a_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no/model\.safetensors'"):
        small().save(tmp_path / "no" / "model.safetensors")
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        small().save(tmp_path)
    for absent in (tmp_path / "absent", tmp_path):
        with pytest.raises(OSError, match=str(absent)):
            load_model(absent)


def test_a_link_stays_one(path):
    target = path.with_name("target")
    path.symlink_to(target)
    for _ in range(2):  # nothing there yet, and a file
        small().save(path)
        assert path.is_symlink()
        assert load_model(target).count_params() == 9
        assert sorted(path.parent.iterdir()) == sorted([path, target])


def test_a_pipe_is_written_to_and_stays_there(path):
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    small().save(path)
    written = os.read(reader, 1 << 16)
    os.close(reader)
    assert path.is_fifo()
    path.with_name("file").write_bytes(written)
    assert load_model(path.with_name("file")).count_params() == 9


def test_the_file_has_the_rights_of_files_of_the_user(path):
    small().save(path)
    beside = path.with_name("other")
    beside.touch()
    assert path.stat().st_mode == beside.stat().st_mode


def test_weights_alone_go_to_an_equal_model_and_to_no_other(data, path):
    model, other = classifier(), classifier()
    fit(model, data, 1)
    for write_out in (model.save_weights, model.save):
        write_out(path)
        other.set_weights([0 * w for w in other.get_weights()])
        other.load_weights(path)
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
    before = [w.tobytes() for w in other.get_weights()]
    small().save_weights(path)
    with pytest.raises(ModelFileError, match="belong to nothing"):
        other.load_weights(path)
    assert [w.tobytes() for w in other.get_weights()] == before
    with pytest.raises(FileExistsError):
        small().save_weights(path, overwrite=False)
