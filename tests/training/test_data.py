"""Data of every kind give what the same numbers as plain NumPy arrays give, bit for bit."""

import numpy as np
import pytest
import scipy.sparse as sp

import gpubp
from gpubp import Input, Sequential, layers
from gpubp.training.intake import rows_for

RNG = np.random.default_rng(0)
X = np.round(RNG.standard_normal((20, 4)) * 3).clip(-3, 3).astype(np.float32)
Y = np.round(RNG.standard_normal((20, 1)) * 8).astype(np.float32)
LABELS = RNG.integers(0, 3, 20)


def tensor(x, **options):
    """A tensor of PyTorch, where that is installed."""
    return pytest.importorskip("torch").tensor(x, **options)


def made(given):
    """What stands in a table as a function is made when it is asked for: it needs a library that may not be there."""
    return given() if callable(given) else given


def trained(x, y=Y, **options):
    """All weights after two epochs, and the predictions then."""
    gpubp.set_random_seed(1)
    model = Sequential([Input((4,)), layers.Dense(3, "tanh"), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=6, epochs=2, verbose=0, **options)
    return np.concatenate([*(w.ravel() for w in model.get_weights()), model.predict(x, verbose=0).ravel()])


class Frame:
    """What a library's frame is asked for: columns with names and dtypes, each of which gives a NumPy array."""

    def __init__(self, columns: dict):
        self.columns, self.held = list(columns), columns
        self.dtypes = [c.dtype for c in columns.values()]

    def to_numpy(self):
        mixed = len({a.dtype.kind for a in self.held.values()}) > 1
        return np.column_stack([a.astype(object) if mixed else a for a in self.held.values()])

    def items(self):
        return ((name, Column(a)) for name, a in self.held.items())


class Column:
    def __init__(self, array):
        self.array, self.dtype, self.shape = array, array.dtype, array.shape

    def to_numpy(self, dtype=None, na_value=None):
        return self.array


class OnlyDLPack:
    """An array of a library of which nothing else is known."""

    def __init__(self, array):
        self.array, self.shape = array, array.shape

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


def columns(*dtypes):
    return {name: X[:, k].astype(d) for k, (name, d) in enumerate(zip("abcd", dtypes, strict=True))}


def read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


INPUTS = {
    "a list of lists": X.tolist(),
    "float64": X.astype(np.float64),
    "long double": X.astype(np.longdouble),
    "float16": X.astype(np.float16),
    "bfloat16": lambda: X.astype(pytest.importorskip("ml_dtypes").bfloat16),
    "int8": X.astype(np.int8),
    "int64": X.astype(np.int64),
    "big-endian floats": X.astype(">f4"),
    "big-endian integers": X.astype(">i2"),
    "Fortran order": np.asfortranarray(X),
    "negative strides": np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
    "every second row": np.repeat(X, 2, axis=0)[::2],
    "read-only": read_only(X),
    "matrix": np.asmatrix(X),
    "frame": Frame(columns("f4", "f4", "f4", "f4")),
    "frame of mixed dtypes": Frame(columns("f8", "f4", "i8", "i1")),
    "tensor": lambda: tensor(X),
    "tensor with gradient": lambda: tensor(X, requires_grad=True),
    "tensor of bfloat16": lambda: tensor(X).bfloat16(),
    "DLPack": OnlyDLPack(X),
    "csr": sp.csr_matrix(X),
    "csr array": sp.csr_array(X),
    "csc": sp.csc_matrix(X),
    "coo": sp.coo_array(X),
    "lil": sp.lil_matrix(X),
    "dok": sp.dok_matrix(X),
    "csr of integers": sp.csr_matrix(X.astype(np.int32)),
    "csr of float64": sp.csr_matrix(X.astype(np.float64)),
    "dict by name": {"input_layer": X},
    "list of one array": [X],
}


@pytest.mark.parametrize("kind", INPUTS)
def test_inputs(kind):
    np.testing.assert_array_equal(trained(made(INPUTS[kind])), trained(X))


OTHER = {
    "bools": X > 0,
    "csr of bools": sp.csr_matrix(X > 0),
    "one row broadcast": np.broadcast_to(X[:1], X.shape),
    "frame with bools": Frame(columns("f4", "i8", "f8", "?")),
}


@pytest.mark.parametrize("kind", OTHER)
def test_inputs_of_other_numbers(kind):
    given = OTHER[kind]
    plain = given.toarray() if sp.issparse(given) else np.array(given.to_numpy() if kind.startswith("frame") else given)
    np.testing.assert_array_equal(trained(given), trained(plain.astype(np.float32)))


TARGETS = {
    "one axis": Y[:, 0],
    "a list": Y[:, 0].tolist(),
    "float64": Y.astype(np.float64),
    "int32": Y.astype(np.int32),
    "frame": Frame({"y": Y[:, 0]}),
    "series": Column(Y[:, 0]),
    "tensor": lambda: tensor(Y),
    "csr": sp.csr_matrix(Y),
    "big-endian": Y.astype(">f8"),
}


@pytest.mark.parametrize("kind", TARGETS)
def test_targets(kind):
    np.testing.assert_allclose(trained(X, made(TARGETS[kind])), trained(X), rtol=1e-5, atol=1e-6)


def test_a_memory_map_is_read_where_it_lies(tmp_path):
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    model = Sequential([Input((4,)), layers.Dense(1)])
    assert np.shares_memory(rows_for(model, x).inputs[0], x)
    np.testing.assert_array_equal(trained(x), trained(X))


def test_bytes_stay_bytes_until_they_are_used():
    x = RNG.integers(0, 256, (20, 4), dtype=np.uint8)
    model = Sequential([Input((4,)), layers.Rescaling(1 / 255), layers.Dense(1)])
    assert rows_for(model, x).inputs[0] is x
    assert rows_for(model, x).segments()["x"].dtype == np.uint8
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(model.predict(x, verbose=0), x / 255 @ kernel + bias, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library):
    frames = pytest.importorskip(library)
    data = columns("f8", "f4", "i8", "?")
    plain = np.column_stack([a.astype(np.float32) for a in data.values()])
    np.testing.assert_array_equal(trained(frames.DataFrame(data), frames.Series(Y[:, 0])), trained(plain))
    text = frames.DataFrame(data | {"b": ["u"] * 20, "d": ["v"] * 20})
    with pytest.raises(TypeError, match=r"the columns \['b', 'd'\] hold none"):
        trained(text)


def test_pandas_columns_that_may_lack_values():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(columns("i4", "f4", "?", "f4")).astype({"a": "Int64", "b": "Float64", "c": "boolean"})
    plain = np.column_stack([X[:, 0], X[:, 1], X[:, 2] != 0, X[:, 3]])
    np.testing.assert_array_equal(trained(frame), trained(plain.astype(np.float32)))
    frame.loc[3, "a"] = pandas.NA
    with pytest.raises(ValueError, match=r"not finite.*row 3"):
        trained(frame)
    dates = pandas.DataFrame({"a": pandas.date_range("2020", periods=20), "b": pandas.Categorical(["p", "q"] * 10)})
    with pytest.raises(TypeError, match=r"\['a', 'b'\]"):
        trained(dates)


def classifier():
    gpubp.set_random_seed(1)
    model = Sequential([Input((4,), name="features"), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def crooked(**parts):
    """A sparse matrix with one wrong number in its middle."""
    made = sp.csr_array(X)
    for name, value in parts.items():
        getattr(made, name)[9] = value
    return made


BAD = X.copy()
BAD[7, 2] = np.nan
FRAME = Frame({"age": X[:, 0], "city": np.array(["a"] * 20, object), "sex": np.array(["f"] * 20), "pay": X[:, 1]})

REFUSED = {
    "objects": (X.astype(object), LABELS, TypeError, "x must hold numbers; its dtype is object"),
    "complex numbers": (X.astype(complex), LABELS, TypeError, "complex128"),
    "text": (X.astype(str), LABELS, TypeError, "x must hold numbers"),
    "columns of text": (FRAME, LABELS, TypeError, r"\['city', 'sex'\] hold none: encode them"),
    "rows of different lengths": ([[1, 2, 3, 4], [1, 2]], LABELS[:2], TypeError, "can't be made an array"),
    "no rows": (X[:0], LABELS[:0], ValueError, r"x must have rows; its shape is \(0, 4\)"),
    "no columns": (X[:, :0], LABELS, ValueError, r"x must have numbers in its rows; its shape is \(20, 0\)"),
    "masked elements": (np.ma.masked_greater(X, 1), LABELS, ValueError, "x has masked elements: .*filled"),
    "masked labels": (X, np.ma.masked_equal(LABELS, 1), ValueError, "y has masked elements"),
    "an empty list": ([], [], ValueError, "x must have rows"),
    "nothing": (None, LABELS, TypeError, "x is missing"),
    "a number": (3.0, LABELS, ValueError, "must have rows"),
    "one row without its axis": (X[0], LABELS, ValueError, r"\(rows, 4\).*\(4,\)"),
    "an axis too many": (X[:, :, None], LABELS, ValueError, r"\(rows, 4\).*\(20, 4, 1\)"),
    "other features": (X[:, :3], LABELS, ValueError, r"\(rows, 4\).*\(20, 3\)"),
    "other features, sparse": (sp.csr_matrix(X[:, :3]), LABELS, ValueError, r"\(rows, 4\).*\(20, 3\)"),
    "indices out of range": (crooked(indices=4), LABELS, ValueError, "x is no valid sparse matrix"),
    "negative indices": (crooked(indices=-1), LABELS, ValueError, "x is no valid sparse matrix"),
    "rows that end before they begin": (crooked(indptr=-7), LABELS, ValueError, "x is no valid sparse matrix"),
    "fewer targets": (X, LABELS[:9], ValueError, "x has 20 rows and y has 9 rows"),
    "NaN": (BAD, LABELS, ValueError, "x holds values that are not finite.*row 7"),
    "infinity": (np.where(np.isnan(BAD), -np.inf, X), LABELS, ValueError, "x holds .*-inf"),
    "NaN, sparse": (sp.csr_matrix(BAD), LABELS, ValueError, "x holds values that are not finite"),
    "labels with a fraction": (
        X,
        LABELS + 0.5 * (np.arange(20) == 7),
        ValueError,
        r"the first that is none is \d\.5 .row 7",
    ),
    "a float label too large": (X, np.where(np.arange(20) == 9, 3.0, LABELS), ValueError, r"label 3 is not in 0\.\.2"),
    "a label too large": (X, np.where(np.arange(20) == 9, 3, LABELS), ValueError, r"label 3 is not in 0\.\.2"),
    "a negative label": (X, LABELS - 1, ValueError, r"label -1 is not in 0\.\.2"),
    "one-hot for labels": (X, np.eye(3)[LABELS], (ValueError, TypeError), "CategoricalCrossentropy|integer labels"),
    "text as labels": (X, np.array(["a"] * 20), TypeError, "y must hold numbers"),
    "no labels": (X, None, ValueError, "there is no y"),
    "an unknown name": ({"faetures": X}, LABELS, ValueError, "did you mean 'features'"),
    "a function": (lambda: X, LABELS, TypeError, "x is a function.*call it"),
    "two inputs for one": ([X, X], LABELS, ValueError, r"\(rows, 4\)"),
}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_float_labels_train_as_integers_do(dtype):
    model, twin = classifier(), classifier()
    wanted = model.fit(X, LABELS, epochs=2, batch_size=8, verbose=0).history
    assert twin.fit(X, LABELS.astype(dtype)[:, None], epochs=2, batch_size=8, verbose=0).history == wanted
    assert state(twin) == state(model)
    assert twin.evaluate(X, LABELS.astype(dtype), verbose=0) == model.evaluate(X, LABELS, verbose=0)


def test_batches_of_labels_with_a_fraction_are_refused_each_time():
    model = classifier()
    wrong = LABELS.astype(float)
    wrong[3] = 0.25
    for _ in range(4):
        model.train_on_batch(X, LABELS.astype(float))
    before = state(model)
    with pytest.raises(ValueError, match=r"0\.25 .row 3"):
        model.train_on_batch(X, wrong)
    assert state(model) == before


def weights(model):
    return np.concatenate([w.ravel() for w in model.get_weights()])


def state(model):
    kept = {**{v.path: v.numpy() for v in model.variables}, **model.optimizer_state()}
    return {name: a.tobytes() for name, a in kept.items()}, model.iterations, model.updates, model.optimizer.iterations


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("how", ["fit", "train_on_batch", "validation", "stream"])
def test_bad_data_change_nothing_and_the_model_is_as_good_as_before(case, how):
    x, y, kind, message = REFUSED[case]
    model, twin = classifier(), classifier()
    for each in (model, twin):
        each.fit(X, LABELS, batch_size=8, verbose=0)
    before = state(model)
    act = {
        "fit": lambda: model.fit(x, y, verbose=0),
        "train_on_batch": lambda: model.train_on_batch(x, y),
        "validation": lambda: model.fit(X, LABELS, validation_data=(x, y), verbose=0),
        "stream": lambda: model.fit(iter([(x, y)]), verbose=0),
    }[how]
    with pytest.raises(kind, match=message):
        act()
    assert state(model) == before
    for each in (model, twin):
        each.fit(X, LABELS, batch_size=8, verbose=0)
    assert state(model) == state(twin)


SIZES = {
    "batch_size": (0, -1, 8.0, True, "8"),
    "epochs": (-1, 1.5, "1"),
    "initial_epoch": (-1, 0.5),
    "steps_per_epoch": (0, -3, 2.5),
    "validation_batch_size": (0, -1),
    "validation_steps": (0, 1.5),
    "validation_freq": (0, -1, 0.5),
    "validation_split": (1.0, -0.1, 2, True, "a"),
    "verbose": (7, "loud"),
    "callbacks": ([3], "early"),
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, values in SIZES.items() for v in values])
def test_wrong_sizes_are_refused(name, value):
    model = classifier()
    before = state(model)
    held = None if name == "validation_split" else (X, LABELS)
    with pytest.raises((ValueError, TypeError), match=name):
        model.fit(X, LABELS, **{"verbose": 0, "validation_data": held, name: value})
    assert state(model) == before


@pytest.mark.parametrize("order", [None, range(19), range(1, 21), np.arange(20.0)])
def test_an_order_that_is_none_is_refused(order):
    model = classifier()
    before = weights(model)
    with pytest.raises(ValueError, match=r"shuffle must give the order of 20 rows, as many ints in 0\.\.19"):
        model.fit(X, LABELS, shuffle=lambda n: order, verbose=0)
    np.testing.assert_array_equal(weights(model), before)
    model.fit(X, LABELS, shuffle=lambda n: list(range(n)), verbose=0)


@pytest.mark.parametrize("method", ["evaluate", "predict"])
@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("steps", 0), ("steps", 1.5), ("batch_size", "3")])
def test_wrong_sizes_are_refused_in_reading(method, name, value):
    with pytest.raises(ValueError, match=f"{name} must be a positive int"):
        getattr(classifier(), method)(X, **({"y": LABELS} if method == "evaluate" else {}), **{name: value})


def test_arguments_of_compile_are_refused_with_suggestions_and_change_nothing():
    model = classifier()
    for wrong in (
        {"optimizer": "adm"},
        {"loss": "mean_squared_eror"},
        {"metrics": ["accurcy"]},
        {"weighted_metrics": ["accurcy"]},
    ):
        with pytest.raises(ValueError, match="did you mean"):
            model.compile(**{"optimizer": "adam", "loss": "mse", **wrong})
    assert model.loss.name == "sparse_categorical_crossentropy"
    for wrong in (["mae"], [float("nan")], [True]):
        with pytest.raises(ValueError, match="loss_weights are finite numbers"):
            model.compile("adam", "mse", wrong)
    with pytest.raises(ValueError, match="there is no device 'gpu'"):
        gpubp.set_device("gpu")
    model.fit(X, LABELS, verbose=0)
