"""Files of fitted estimators: equal ones come out, on any machine, or an error that says what is wrong."""

import contextlib
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import save_file
from sklearn.datasets import load_diabetes, load_iris, make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale

import gpubp
from gpubp import losses, ops, optimizers
from gpubp.saving import ModelFileError
from gpubp.sklearn import MLPClassifier, MLPRegressor, load
from tests.cuda.conftest import gpu  # noqa: F401 - the fixture of that name

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = {"hidden_layer_sizes": (5, 4), "max_iter": 3, "random_state": 0}
KEPT = ("n_iter_", "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_", "validation_loss_curve_")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "estimator.safetensors"


def iris(names=None, columns=False):
    x, y = load_iris(return_X_y=True, as_frame=columns)
    return x if columns else scale(x), y if names is None else np.array(names)[y]


def diabetes():
    x, y = load_diabetes(return_X_y=True)
    return scale(x), scale(y)


def absolute(y_true, y_pred):
    return ops.mean(ops.abs(y_pred - y_true), axis=-1)


CASES = {
    "classifier": (MLPClassifier(**SMALL), iris),
    "two classes": (MLPClassifier(**SMALL), lambda: tuple(a[:100] for a in iris())),
    "labels that are text": (MLPClassifier(**SMALL), lambda: iris(["Rot", "Grün", "\U0001f535"])),
    "objects": (MLPClassifier(**SMALL), lambda: iris(np.array(["a", "bb", "ccc"], object))),
    "unsigned": (MLPClassifier(**SMALL), lambda: iris(np.array([7, 8, 2**32 - 1], np.uint32))),
    "truth": (MLPClassifier(**SMALL), lambda: iris([True, False, False])),
    "several labels": (MLPClassifier(**SMALL), lambda: make_multilabel_classification(60, random_state=0)),
    "names of columns": (MLPClassifier(**SMALL), lambda: iris(columns=True)),
    "weights of classes": (MLPClassifier(**SMALL, class_weight={0: 1.5, 2: 0.5}, label_smoothing=0.1), iris),
    "of words": (MLPClassifier(**SMALL, class_weight={"a": 2.0}), lambda: iris(["a", "b", "c"])),
    "regressor": (MLPRegressor(**SMALL), diabetes),
    "several numbers": (MLPRegressor(**SMALL), lambda: (diabetes()[0], np.stack([diabetes()[1]] * 2, 1))),
    "poisson": (MLPRegressor("poisson", **SMALL), lambda: (diabetes()[0], np.exp(diabetes()[1]))),
    "sgd": (MLPRegressor(**SMALL, solver="sgd", learning_rate="invscaling"), diabetes),
    "lbfgs": (MLPRegressor(**SMALL, solver="lbfgs"), diabetes),
    "early stopping": (MLPClassifier(**SMALL, early_stopping=True, n_iter_no_change=np.inf), iris),
    "a layer": (MLPRegressor(hidden_layer_sizes=np.int64(6), max_iter=2, random_state=0), diabetes),
    "no layers": (MLPRegressor(hidden_layer_sizes=(), max_iter=2, random_state=0), diabetes),
    "an array of layers": (MLPRegressor(hidden_layer_sizes=np.array([3, 2]), max_iter=2, random_state=0), diabetes),
    "dropout, normalisation": (MLPRegressor(**SMALL, dropout=[0.1, 0.2], batch_norm=True), diabetes),
    "activations": (MLPRegressor(**SMALL, activation=["gelu", gpubp.activations.silu]), diabetes),
    "float32": (MLPRegressor(**SMALL, dtype=np.float32), diabetes),
    "a policy": (MLPRegressor(**SMALL, dtype="mixed_float16"), diabetes),
    "an optimizer": (MLPRegressor(**SMALL, solver=optimizers.Nadam(0.01, clipnorm=1.0)), diabetes),
    "a schedule": (
        MLPRegressor(**SMALL, solver="sgd", learning_rate=optimizers.schedules.CosineDecay(0.1, 9)),
        diabetes,
    ),
    "a loss": (MLPRegressor(losses.Huber(0.5), **SMALL), diabetes),
    "a loss of one's own": (MLPRegressor(absolute, **SMALL), diabetes),
}


def outputs(estimator, x):
    return estimator.predict_proba(x) if hasattr(estimator, "predict_proba") else estimator.predict(x)


def parameters(estimator):
    """As text: optimizers, losses and arrays have no equality."""
    found = estimator.get_params()
    for name, value in found.items():
        if hasattr(value, "get_config"):
            found[name] = value.get_config()
        if name == "activation" and not isinstance(value, str):
            found[name] = [gpubp.activations.get(x).__name__ for x in value]
        if name == "dtype" and value is not None:
            found[name] = value if str(value).startswith("mixed") else np.dtype(value)
        if name == "hidden_layer_sizes":
            found[name] = np.ravel(value).tolist()
    return found


@pytest.mark.parametrize("name", CASES)
def test_what_is_loaded_is_equal_and_trains_on_bit_for_bit(name, path):
    estimator, data = CASES[name]
    x, y = data()
    estimator.fit(x, y).save(path)
    again = load(path, {"absolute": absolute})
    assert type(again) is type(estimator)
    assert parameters(again) == parameters(estimator)
    assert {n for n in vars(again) if n.endswith("_")} == {n for n in vars(estimator) if n.endswith("_")}
    for attribute in KEPT:
        assert getattr(again, attribute, None) == getattr(estimator, attribute, None)
    for attribute in ("classes_", "feature_names_in_"):
        mine, its = getattr(again, attribute, None), getattr(estimator, attribute, None)
        np.testing.assert_array_equal(mine, its)
        assert getattr(mine, "dtype", None) == getattr(its, "dtype", None)
    np.testing.assert_array_equal(outputs(again, x), outputs(estimator, x))
    np.testing.assert_array_equal(again.predict(x), estimator.predict(x))
    if estimator.solver != "lbfgs" and not estimator.early_stopping:
        again.partial_fit(x, y)
        estimator.partial_fit(x, y)
    assert again.set_params(warm_start=True).fit(x, y).loss_ == estimator.set_params(warm_start=True).fit(x, y).loss_


def test_training_by_parts_goes_on(path):
    x, y = iris(["a", "b", "c"])
    estimator = MLPClassifier(**SMALL)
    for _ in range(2):
        estimator.partial_fit(x, y, classes=["a", "b", "c"])
    estimator.save(path)
    again = load(path)
    for e in (estimator, again):
        e.partial_fit(x[:50], y[:50])
    assert again.loss_curve_ == estimator.loss_curve_
    np.testing.assert_array_equal(outputs(again, x), outputs(estimator, x))


def test_the_network_alone_is_a_model(path):
    x, y = diabetes()
    estimator = MLPRegressor(**SMALL).fit(x, y)
    estimator.save(path)
    np.testing.assert_array_equal(gpubp.load_model(path).predict(x, verbose=0)[:, 0], estimator.predict(x))
    model = estimator.to_model()
    model.set_weights([0 * w for w in model.get_weights()])
    model.load_weights(path)
    np.testing.assert_array_equal(model.predict(x, verbose=0)[:, 0], estimator.predict(x))


def test_what_has_been_trained_on_a_gpu_goes_to_the_cpu_and_back(gpu, path):  # noqa: F811
    x, y = (a.astype(np.float32) for a in diabetes())
    estimator = MLPRegressor(**SMALL).fit(x, y)
    there = estimator.predict(x)
    assert {type(a) for a in (*estimator.coefs_, *estimator._optimizer.slots.values())} == {np.ndarray}
    estimator.save(path)
    with gpubp.device("cpu"):
        again = load(path)
        np.testing.assert_allclose(again.predict(x), there, rtol=1e-4, atol=1e-5)
        again.partial_fit(x, y).save(path)
    once_more = load(path)
    gpu.record.clear()
    once_more.partial_fit(x, y)
    assert any(asked[0] == "launch" for asked in gpu.record)
    estimator.partial_fit(x, y).partial_fit(x, y)
    np.testing.assert_allclose(once_more.loss_curve_, estimator.loss_curve_, rtol=1e-4)


def test_a_device_that_is_not_there_becomes_the_current_one(path, caplog):
    x, y = diabetes()
    estimator = MLPRegressor(**SMALL, device="cpu").fit(x, y)
    estimator.save(path)
    assert (load(path).device, caplog.messages) == ("cpu", [])
    estimator.set_params(device="cuda:9").save(path)
    with pytest.raises(RuntimeError, match=r"'cuda:9' is not there.*this estimator follows after set_params\(device=N"):
        estimator.predict(x)
    again = load(path)
    (line,) = caplog.messages
    assert line.startswith("device='cuda:9' of what is loaded becomes None, the current device: device 'cuda:9' is not")
    np.testing.assert_array_equal(again.predict(x), estimator.set_params(device=None).predict(x))


def test_what_can_not_be_saved_says_so(path):
    x, y = diabetes()
    with pytest.raises(NotFittedError):
        MLPRegressor().save(path)
    for parameter in (
        {"callbacks": [gpubp.callbacks.History()]},
        {"random_state": np.random.RandomState(0)},
        {"scoring": lambda e, x, y: 0.0},
        {"solver": "sgd", "learning_rate": lambda step: 0.1},
    ):
        estimator = MLPRegressor(**SMALL | parameter).fit(x, y)
        with pytest.raises(ValueError, match=rf"can't keep the parameter {list(parameter)[-1]}=.*set_params\("):
            estimator.save(path)
        estimator.set_params(**{name: MLPRegressor().get_params()[name] for name in parameter}).save(path)
        assert load(path).predict(x).shape == y.shape  # done as the error says
        path.unlink()
    with pytest.raises(ValueError, match="register it"):
        MLPRegressor(**SMALL, activation=lambda z: z).fit(x, y).save(path)
    assert not path.exists()
    MLPRegressor(**SMALL).fit(x, y).save(path)
    with pytest.raises(FileExistsError, match="overwrite=True"):
        MLPRegressor(**SMALL).fit(x, y).save(path, overwrite=False)


# Files that are not what they should be


def rewrite(path, change):
    """Changes what a file says: `change` gets the description, the tensors and the metadata."""
    with safe_open(path, framework="numpy") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    description = json.loads(metadata["gpubp_estimator"])
    change(description, tensors, metadata)
    if "gpubp_estimator" in metadata:
        metadata["gpubp_estimator"] = json.dumps(description)
    save_file(tensors, path, metadata)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a file."""
    path = tmp_path_factory.mktemp("whole") / "estimator.safetensors"
    x, y = iris(["a", "b", "c"])
    MLPClassifier(hidden_layer_sizes=2, max_iter=2, random_state=0).fit(x, y).save(path)
    return path.read_bytes()


def edit(*where, **changes):
    def change(description, tensors, metadata):
        for key in where:
            description = description[key]
        description.update(changes)

    return change


def tensor(name, array):
    def change(description, tensors, metadata):
        tensors.pop(name) if array is None else tensors.update({name: array})

    return change


CODES = np.array([[97], [98], [99]], np.uint32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, tensors, metadata: metadata.pop("gpubp_estimator"), "holds no estimator; gpubp.load_model"),
        (lambda d, tensors, metadata: metadata.pop("gpubp_model"), "damaged"),
        (edit(class_name="SVC"), "no estimator 'SVC'"),
        (edit(class_name="MLPRegressor"), r"no parameters \['class_weight', 'label_smoothing'\]"),
        (edit("parameters", units=3), r"no parameters \['units'\]"),
        (edit("parameters", alpha=-1.0), "'alpha' parameter"),
        (edit("parameters", solver={"class_name": "os.system", "config": {}}), "unknown optimizer class 'os.system'"),
        (edit("parameters", loss={"function": "absolute"}), "custom_objects"),
        (edit("parameters", activation="rely"), "did you mean 'relu'"),
        (edit("parameters", activation="tanh"), "not the one that its parameters describe"),
        (edit("parameters", activation=["relu", "relu"]), "activation has 2 entries"),
        (edit("parameters", batch_norm=True), "damaged|not the one"),
        (edit("parameters", class_weight=[[[], 1]]), "damaged"),
        (edit("parameters", hidden_layer_sizes="many"), "'hidden_layer_sizes' parameter"),
        (edit("attributes", __class__="x"), "no attribute '__class__'"),
        (edit("attributes", coefs_=[]), "no attribute 'coefs_'"),
        (edit("attributes", t_="x"), "no 't_', or one of the wrong type"),
        (edit("attributes", loss_curve_=["x"]), "'loss_curve_' is no list of numbers"),
        (edit("attributes", out_activation_="logistic"), "not the one that its parameters describe"),
        (edit("labels", kind="binary"), "3 classes do not fit its 3 outputs"),
        (edit("labels", kind="continuous"), "classes do not fit"),
        (edit("labels", text=None), "no list of texts"),
        (edit("progress", steps=-1), "out of range"),
        (edit("progress", updates=1 << 63), "out of range"),
        (edit("progress", learning_rate="x"), "wrong type"),
        (tensor("beside/classes", None), "'beside/classes' is missing"),
        (tensor("beside/classes", CODES[:2]), "2 classes do not fit its 3 outputs"),
        (tensor("beside/classes", CODES + 0x110000), "no list of texts"),
        (tensor("beside/classes", CODES.astype(np.int64)), "no list of texts"),
        (tensor("beside/classes", np.zeros((3, 0), np.uint32)), "no list of texts"),
        (tensor("beside/feature_names", CODES), "names 3 of 4 features"),
        (tensor("dense_0/kernel", None), "missing"),
        (tensor("dense_0/kernel", np.full((4, 2), np.nan)), "non-finite"),
        (tensor("dense_0/more", CODES), r"\['dense_0/more'\] belong to nothing"),
        (tensor("optimizer/momentum/dense_0/kernel", np.zeros((2, 2))), "needs .4, 2."),
        (tensor("optimizer/momentum/dense_9/kernel", np.zeros((2, 2))), "belongs to no weights"),
    ],
)
def test_a_file_that_does_not_fit_says_what_is_wrong(path, whole, change, message):
    path.write_bytes(whole)
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) <= 1000


def test_rewriting_alone_changes_nothing(path, whole):
    path.write_bytes(whole)
    rewrite(path, lambda *given: None)
    x, y = iris(["a", "b", "c"])
    estimator = MLPClassifier(hidden_layer_sizes=2, max_iter=2, random_state=0).fit(x, y)
    np.testing.assert_array_equal(outputs(load(path), x), outputs(estimator, x))


def test_models_are_no_estimators(path):
    gpubp.Sequential([gpubp.Input((2,)), gpubp.layers.Dense(1)]).save(path)
    with pytest.raises(ModelFileError, match="holds no estimator"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(path.with_name("none"))


QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["relu", "adam"]),
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
def test_any_description_loads_or_is_refused(path, whole, data):
    def change(description, tensors, metadata):
        *parents, last = data.draw(st.sampled_from([p for p in places(description) if p]))
        for key in parents:
            description = description[key]
        description[last] = data.draw(JSON)

    path.write_bytes(whole)
    rewrite(path, change)
    with contextlib.suppress(ModelFileError):
        load(path)


@QUICK
@given(flips=st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 255)), min_size=1, max_size=4))
def test_flipped_bytes_do_no_harm(path, whole, flips):
    raw = bytearray(whole)
    for position, mask in flips:
        raw[position % len(raw)] ^= mask
    path.write_bytes(raw)
    with contextlib.suppress(ModelFileError):
        assert len(load(path).coefs_) == 2


def test_a_file_cut_anywhere_is_refused(path, whole):
    for n in range(0, len(whole), 7):
        path.write_bytes(whole[:n])
        with pytest.raises(ModelFileError, match="damaged"):
            load(path)
