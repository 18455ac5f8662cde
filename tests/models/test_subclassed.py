"""Models and layers that are classes of one's own: what belongs to them, what their `call` gets, what they add."""

import autograd.numpy as anp
import numpy as np
import pytest

import gpubp
from gpubp import Input, Model, Sequential, layers, ops
from gpubp.optimizers import SGD
from tests.models.oracle import LABELS, X2, Y2, X, Y, assert_trains_like, descended, fit, flat, float64  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("float64")


def mse(y, p):
    return anp.mean((y - p) ** 2)


def put_in_a_list(model):
    model.blocks = [layers.Dense(3, "tanh"), layers.Dense(3, "tanh")]
    return lambda: model.blocks


def appended_to_a_list(model):
    model.blocks = []
    for _ in range(2):
        model.blocks.append(layers.Dense(3, "tanh"))
    return lambda: model.blocks


def put_into_a_dict(model):
    model.blocks = {}
    model.blocks["a"] = layers.Dense(3, "tanh")
    model.blocks["b"] = layers.Dense(3, "tanh")
    return lambda: model.blocks.values()


def nested_lists(model):
    model.blocks = [[], (layers.Dense(3, "tanh"),)]
    model.blocks[0].append(layers.Dense(3, "tanh"))
    return lambda: [model.blocks[0][0], model.blocks[1][0]]


def attributes_of_each(model):
    for k in range(2):
        setattr(model, f"block{k}", layers.Dense(3, "tanh"))
    return lambda: [model.block0, model.block1]


@pytest.mark.parametrize("keep", [put_in_a_list, appended_to_a_list, put_into_a_dict, nested_lists, attributes_of_each])
def test_layers_belong_to_a_model_wherever_its_attributes_hold_them(keep):
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.found = keep(self)
            self.head = layers.Dense(1)

        def call(self, x):
            for block in self.found():
                x = block(x)
            return self.head(x)

    def loss(w, x, y):
        h = anp.tanh(anp.tanh(x @ w["first"][0] + w["first"][1]) @ w["second"][0] + w["second"][1])
        return mse(y, h @ w["head"][0] + w["head"][1])

    model = Net()
    model.compile(SGD(0.1), "mse")
    model.build((None, 4))
    first, second = model.found()
    owners = {"first": first, "second": second, "head": model.head}
    order = [owners[name].variables for name in owners]
    positions = [[model.variables.index(v) for v in pair] for pair in order]
    assert sorted(p for pair in positions for p in pair) == list(range(6))
    assert len(set(model.paths())) == 6

    def by_position(w, x, y):
        return loss({name: [w[k] for k in pair] for name, pair in zip(owners, positions, strict=True)}, x, y)

    assert_trains_like(model, by_position, X, Y, [X, Y])


def test_call_with_several_inputs_and_training():
    seen = []

    class Net(Model):
        def __init__(self):
            super().__init__()
            self.a, self.b = layers.Dense(2), layers.Dense(2)

        def call(self, inputs, training=False):
            seen.append(training)
            u, v = inputs
            return self.a(u) * (2.0 if training else 1.0) + self.b(v)

    model = Net()
    model.compile(SGD(0.1), "mse")
    model.build([(None, 4), (None, 3)])
    w = model.get_weights()
    np.testing.assert_allclose(model.predict([X, X2], verbose=0), X @ w[0] + w[1] + X2 @ w[2] + w[3])
    np.testing.assert_allclose(model([X, X2], training=True), 2 * (X @ w[0] + w[1]) + X2 @ w[2] + w[3])

    def loss(w, x, x2, y):
        return mse(y, 2 * (x @ w[0] + w[1]) + x2 @ w[2] + w[3])

    assert_trains_like(model, loss, [X, X2], Y2, [X, X2, Y2])
    assert set(seen) == {True, False}


class Attention(layers.Layer):
    """A composite layer that is called with several arrays by position and by name."""

    def __init__(self, **others):
        super().__init__(**others)
        self.query, self.key = layers.Dense(3), layers.Dense(3)

    def call(self, q, k, scale=1.0):
        return self.query(q) * self.key(k) * scale


def test_layers_called_with_several_arrays():
    a, b = Input((4,)), Input((3,))
    layer = Attention()
    model = Model([a, b], layer(a, b, scale=2.0) + layer(a, k=b))
    w = [v.numpy() for v in layer.variables]
    wanted = 3.0 * (X @ w[0] + w[1]) * (X2 @ w[2] + w[3])
    np.testing.assert_allclose(model.predict([X, X2], verbose=0), wanted)
    np.testing.assert_allclose(model([X, X2]), wanted)
    assert list(model.paths()) == [
        "attention/dense/kernel", "attention/dense/bias", "attention/dense_1/kernel", "attention/dense_1/bias"
    ]  # fmt: skip


class Weighted(layers.Layer):
    """What a user's first layer does with its weights: operators of every kind on a variable."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="w")
        self.scale = self.add_weight(shape=(), initializer="ones", name="scale", trainable=False)

    def call(self, x):
        bent = 2 * self.w - self.w**2 / np.float64(3) + np.ones(4) * self.w[:4] + abs(-self.w)
        return x * bent * self.scale


def test_operators_on_variables_are_recorded_and_computed_at_once():
    layer = Weighted()
    x = Input((4,))
    model = Model(x, layer(x))
    model.compile(SGD(0.05), "mse")

    def forward(w, x):
        return x * (2 * w - w**2 / 3 + w + anp.abs(w))

    np.testing.assert_allclose(layer(X), forward(np.ones(4), X))
    wanted = model.get_weights()

    def loss(w, x, y):
        return mse(y, forward(w[0], x))

    wanted = descended(loss, wanted[:1], [X, 2 * X], 0.05)
    fit(model, X, 2 * X)
    np.testing.assert_allclose(layer.w.numpy(), wanted[0], rtol=1e-9)
    assert (layer.w == layer.w) is True
    assert np.array_equal(layer.w > 0, layer.w.numpy() > 0)
    np.testing.assert_allclose(np.exp(layer.w), np.exp(layer.w.numpy()))


def test_numpy_functions_on_a_variable_in_call_are_refused():
    """They would take the value of now for good, and learn nothing."""

    class Frozen(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight((4,), "ones", name="w")

        def call(self, x):
            return x * np.exp(self.w)

    with pytest.raises(TypeError, match=r"test_subclassed\.py:\d+.*'frozen/w'"):
        Frozen()(Input((4,)))


@pytest.mark.parametrize("base", [layers.Layer, Model])
@pytest.mark.parametrize("returned", [None, 5, [], {"a": None}])
def test_a_call_that_returns_no_arrays_is_named(base, returned):
    class Forgetful(base):
        def call(self, x):
            return returned

    forgetful = Forgetful(name="forgetful")
    with pytest.raises(TypeError, match=r"call of 'forgetful' returns .*it is to return what"):
        forgetful.predict(X) if base is Model else forgetful(Input((4,)))


@pytest.mark.parametrize("base", [layers.Layer, Model])
def test_an_init_without_that_of_its_base_is_named(base):
    class Hasty(base):
        def __init__(self):
            self.units = 3

        def call(self, x):
            return x

    with pytest.raises(TypeError, match=r"the __init__ of Hasty has to call super\(\).__init__\(\) first"):
        Hasty().compile("sgd", "mse") if base is Model else Sequential([Input((4,)), Hasty()])
    with pytest.raises(TypeError, match="__init__ of Hasty"):
        Hasty()(X)


@pytest.mark.parametrize(
    ("wrong", "shape"),
    [
        (lambda x: ops.concatenate([x, x], axis=0), r"\(2\*B, 4\)"),
        (lambda x: ops.concatenate([x, x[:1]], axis=0), r"\(B\+1, 4\)"),
        (lambda x: ops.sum(x, axis=0, keepdims=True), r"\(1, 4\)"),
        (lambda x: ops.reshape(x, (-1,)), r"\(4\*B,\)"),
        (ops.sum, r"\(\)"),
        (lambda x: x @ ops.transpose(x), r"\(B, B\)"),
    ],
)
def test_predictions_have_a_row_for_each_row(wrong, shape):
    """There is no room for others: they would overwrite what lies behind."""

    class Net(Model):
        def call(self, x):
            return [x, wrong(x)]

    with pytest.raises(ValueError, match=f"predict needs a row for each of the B rows .* has the shape {shape}"):
        Net().predict(X, verbose=0)


@pytest.mark.parametrize("wrong", [lambda w: w[:1], lambda w: ops.concatenate([w, w]), ops.sum, lambda w: None])
def test_a_constraint_that_changes_the_shape_is_refused(wrong):
    model = Sequential([Input((4,)), layers.Dense(3, kernel_constraint=wrong, name="bound"), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = flat(model)
    with pytest.raises(ValueError, match=r"the constraint of 'bound/kernel' gives .* shape \(4, 3\)"):
        fit(model, X, Y)
    assert np.array_equal(flat(model), before)


@pytest.mark.parametrize("value", [lambda x: x, lambda x: ops.sum(x, axis=0)])
def test_call_can_not_assign_another_shape(value):
    class Last(layers.Layer):
        def build(self, input_shape):
            self.last = self.add_weight((), trainable=False, name="last")

        def call(self, x):
            self.last.assign(value(x))
            return x

    with pytest.raises(ValueError, match=r"'last/last' has shape \(\); it can't be assigned shape"):
        Last()(Input((4,)))


class MadeInCall(layers.Layer):
    def call(self, x):
        return layers.Dense(3)(x)


class WeighedInCall(layers.Layer):
    def call(self, x):
        return x * self.add_weight((4,), "ones", name="w")


class BuiltInTraining(layers.Layer):
    def __init__(self):
        super().__init__()
        self.inner = layers.Dense(4)

    def call(self, x, training=False):
        return self.inner(x) if training else x


@pytest.mark.parametrize("layer", [MadeInCall, WeighedInCall, BuiltInTraining])
def test_weights_that_are_made_in_call_are_refused(layer):
    """They would be others in each program, and none of them would learn."""
    model = Sequential([Input((4,)), layer(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"test_subclassed\.py:\d+: the layer .* make layers in __init__"):
        fit(model, X, Y)


class Penalty(layers.Layer):
    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1],), "ones", name="w")

    def call(self, x):
        self.add_loss(ops.sum(self.w**2))
        return x * self.w


def test_a_model_may_have_no_loss_but_what_its_layers_add():
    x = Input((4,))
    model = Model(x, Penalty()(x))
    model.compile(SGD(0.1))
    history = fit(model, X, epochs=1, batch_size=20).history
    assert history == {"loss": [4.0]}
    np.testing.assert_allclose(model.get_weights()[0], 0.8)
    model.compile(SGD(0.1), "mse")
    assert_trains_like(model, lambda w, x, y: mse(y, x * w[0]) + anp.sum(w[0] ** 2), X, X, [X, X])


def test_regularizers_of_weights_and_outputs_are_part_of_the_loss():
    hidden = layers.Dense(3, "tanh", kernel_regularizer=gpubp.regularizers.L2(0.1), bias_regularizer="l1",
                          activity_regularizer=gpubp.regularizers.L1(0.2))  # fmt: skip
    model = Sequential([Input((4,)), hidden, layers.Dense(1)])
    model.compile(SGD(0.1), "mse")

    def loss(w, x, y):
        h = anp.tanh(x @ w[0] + w[1])
        penalty = 0.1 * anp.sum(w[0] ** 2) + 0.01 * anp.sum(anp.abs(w[1])) + 0.2 * anp.sum(anp.abs(h)) / len(x)
        return mse(y, h @ w[2] + w[3]) + penalty

    model.set_weights([w + 0.1 for w in model.get_weights()])
    w = model.get_weights()
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(loss(w, X, Y))
    assert sum(model.losses) == pytest.approx(0.1 * np.sum(w[0] ** 2) + 0.01 * np.abs(w[1]).sum())
    assert_trains_like(model, loss, X, Y, [X, Y])


def test_constraints_hold_after_every_step():
    bounded = layers.Dense(3, kernel_constraint=gpubp.constraints.MaxNorm(0.5), bias_constraint="non_neg")
    model = Sequential([Input((4,)), bounded, layers.Dense(1)])
    model.compile(SGD(0.5), "mse")
    for _ in range(5):
        model.train_on_batch(X, Y)
        assert (np.linalg.norm(bounded.kernel.numpy(), axis=0) <= 0.5 * (1 + 1e-12)).all()
        assert (bounded.bias.numpy() >= 0).all()


class Counter(layers.Layer):
    def __init__(self, **others):
        super().__init__(**others)
        self.total = self.add_weight(shape=(), initializer="zeros", trainable=False, name="total")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls", dtype="int64")

    def call(self, x):
        self.total.assign(self.total + ops.sum(x))
        self.calls.assign_add(1)
        return x


def test_what_call_assigns_stays_after_each_step_of_training_alone():
    counter = Counter()
    x = Input((4,))
    model = Model(x, layers.Dense(1)(counter(x)))
    model.compile("sgd", "mse")
    fit(model, X, Y, batch_size=8, epochs=2)
    assert counter.total.numpy() == pytest.approx(2 * X.sum())
    assert counter.calls.numpy() == 6
    model.predict(X, verbose=0)
    model.evaluate(X, Y, verbose=0)
    assert counter.calls.numpy() == 6
    counter(X)
    assert counter.calls.numpy() == 7


def test_losses_and_metrics_that_are_plain_functions():
    def by_row(y, p):
        return ops.mean(ops.square(y - p), axis=-1)

    def of_all(y, p):
        return ops.mean(ops.square(y - p))

    def by_element(y, p):
        return ops.where(y == 0.0, 0.0 * p, (y - p) ** 2)

    def loss(w, x, y):
        return mse(y, x @ w[0] + w[1])

    for function in (by_row, of_all, by_element):
        model = Sequential([Input((4,)), layers.Dense(1)])
        model.compile(SGD(0.1), function, metrics=[of_all, "mae"])
        w = model.get_weights()
        assert_trains_like(model, loss, X, Y, [X, Y])  # batches of 8, 8 and 4 rows
        model.set_weights(w)
        logs = model.evaluate(X, Y, batch_size=8, verbose=0, return_dict=True)
        assert logs == pytest.approx(
            {"loss": loss(w, X, Y), "of_all": logs["of_all"], "mae": np.abs(Y - X @ w[0] - w[1]).mean()}
        )


def test_layers_of_one_class_are_told_apart_in_every_model_that_has_them():
    x = Input((4,))
    first, second = layers.Dense(4), layers.Dense(1)
    one = Model(x, second(first(x)))
    z = Input((4,))
    other = Model(z, first(layers.Dense(4)(z)))
    third = Model(z, second(layers.Dense(4)(first(z))))
    for model in (one, other, third):
        names = [layer.name for layer in model.layers]
        assert len(set(names)) == len(names)
        assert len(model.paths()) == len(model.variables)
    assert [layer.name for layer in one.layers] == ["input_layer", "dense", "dense_1"]


def test_a_name_that_was_given_is_kept_and_the_other_layer_yields():
    model = Sequential([Input((4,)), layers.Dense(3), layers.Dense(2, name="dense")])
    assert [layer.name for layer in model.layers] == ["dense_1", "dense"]
    assert list(model.paths()) == ["dense_1/kernel", "dense_1/bias", "dense/kernel", "dense/bias"]


def test_a_model_that_is_not_built_says_so_and_is_built_by_data_or_shape():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.d = layers.Dense(3, "softmax")

        def call(self, x):
            return self.d(x)

    model = Net()
    for ask in (model.summary, lambda: model.output_shape, lambda: model.save("x"), model.explain):
        with pytest.raises(ValueError, match="not built"):
            ask()
    with pytest.raises(ValueError, match="needs compile"):
        model.fit(X, LABELS)
    assert model.predict(X, verbose=0).shape == (20, 3)
    again = Net()
    again.build((None, 4))
    assert flat(again).shape == flat(model).shape == (15,)
