"""Drawn models: inputs, outputs, shared layers, residuals, sub-models, frozen parts, against training written out."""

import autograd.numpy as anp
import numpy as np
import pytest

from gpubp import Input, Model, Sequential, layers, models, ops
from gpubp.optimizers import SGD
from tests.models.oracle import LABELS, X2, Y2, X, Y, assert_trains_like, descended, fit, flat, float64  # noqa: F401 - a fixture

pytestmark = pytest.mark.usefixtures("float64")


def mse(y, p):
    return anp.mean((y - p) ** 2)


def test_several_inputs_and_outputs_by_position_and_by_name():
    a, b = Input((4,), name="a"), Input((3,), name="b")
    h = layers.Dense(5, "tanh", name="h")(a)
    both = layers.Concatenate(name="both")([h, b])
    u, v = layers.Dense(1, name="u")(both), layers.Dense(2, name="v")(h)
    model = Model([a, b], [u, v])

    def loss(w, x, x2, y, y2):
        h = anp.tanh(x @ w[0] + w[1])
        joined = anp.concatenate([h, x2], 1)
        return mse(y, joined @ w[2] + w[3]) + 0.5 * anp.mean(anp.abs(y2 - (h @ w[4] + w[5])))

    model.compile(SGD(0.1), ["mse", "mae"], loss_weights=[1.0, 0.5])
    assert_trains_like(model, loss, [X, X2], [Y, Y2], [X, X2, Y, Y2])
    model.compile(SGD(0.1), {"v": "mae", "u": "mse"}, loss_weights={"v": 0.5})
    assert_trains_like(model, loss, {"b": X2, "a": X}, {"v": Y2, "u": Y}, [X, X2, Y, Y2])
    named, listed = model.predict({"b": X2, "a": X}, verbose=0), model.predict([X, X2], verbose=0)
    assert all(np.array_equal(p, q) for p, q in zip(named, listed, strict=True))


def test_errors_say_which_of_several_outputs_they_are_about():
    x = Input((4,))
    model = Model(x, [layers.Dense(1, name="size")(x), layers.Dense(3, "softmax", name="kind")(x)])
    for loss, y, message in (
        ("mse", LABELS[:, None], r"the output 'kind': mean_squared_error: targets must have the shape .*\(None, 3\)"),
        ("sparse_categorical_crossentropy", LABELS + 1, r"the output 'kind': .*the label 3 is not in 0\.\.2"),
        (lambda y, p: None, LABELS, "the output 'kind': <lambda> returns None"),
    ):
        model.compile("sgd", {"size": "mse", "kind": loss})
        with pytest.raises((TypeError, ValueError), match=message):
            fit(model, X, [Y, y])
    model.compile("sgd", "mse", metrics={"kind": ["mae"]})
    with pytest.raises(ValueError, match="the output 'kind': "):
        model.evaluate(X, [Y, Y], verbose=0)


def test_inputs_and_outputs_drawn_as_dicts_come_and_go_as_dicts():
    a, b = Input((4,)), Input((3,))
    model = Model({"q": b, "p": a}, {"v": layers.Dense(2)(b), "u": layers.Dense(1)(a)})
    model.compile(SGD(0.1), {"u": "mse", "v": "mae"}, metrics={"u": ["mae"]})
    logs = fit(model, {"p": X, "q": X2}, {"u": Y, "v": Y2}).history
    assert list(logs) == ["loss", "u_loss", "v_loss", "u_mae"]
    found = model.predict({"p": X, "q": X2}, verbose=0)
    assert {name: p.shape for name, p in found.items()} == {"u": (20, 1), "v": (20, 2)}
    computed = model({"p": X, "q": X2})
    assert all(np.allclose(computed[name], found[name]) for name in found)


def test_the_gradient_of_a_shared_layer_is_the_sum_over_its_uses():
    a, b = Input((4,)), Input((4,))
    shared = layers.Dense(3, "tanh")
    model = Model([a, b], layers.Dense(1)(shared(a) * shared(b)))
    model.compile(SGD(0.1), "mse")

    def loss(w, x, x2, y):
        return mse(y, anp.tanh(x @ w[0] + w[1]) * anp.tanh(x2 @ w[0] + w[1]) @ w[2] + w[3])

    assert len(model.get_weights()) == 4
    assert_trains_like(model, loss, [X, X + 1], Y, [X, X + 1, Y])


def test_operators_ops_and_indexing_on_inputs():
    x = Input((4,))
    h = layers.Dense(4)(x)
    y = ops.relu(x * 2 + h / 3 - 1) + ops.exp(-x) @ np.ones((4, 4))
    model = Model(x, ops.concatenate([y[:, :2], abs(x[:, 1:2]) ** 2, 1 / (1 + x * x)], -1) + np.arange(7.0))
    model.compile(SGD(0.1), "mse")
    targets = np.repeat(Y, 7, 1)

    def forward(w, x):
        y = anp.maximum(x * 2 + (x @ w[0] + w[1]) / 3 - 1, 0) + anp.exp(-x) @ np.ones((4, 4))
        return anp.concatenate([y[:, :2], anp.abs(x[:, 1:2]) ** 2, 1 / (1 + x * x)], 1) + np.arange(7.0)

    np.testing.assert_allclose(model.predict(X, verbose=0), forward(model.get_weights(), X))
    np.testing.assert_allclose(model(X), forward(model.get_weights(), X))
    assert_trains_like(model, lambda w, x, y: mse(y, forward(w, x)), X, targets, [X, targets])


OF_THE_ROWS = {  # ops that need the number of rows, with what NumPy makes of them
    "sorted": (lambda x: ops.sort(x), lambda x: np.sort(x)),
    "sorted over the rows": (lambda x: ops.sort(x, axis=0), lambda x: np.sort(x, axis=0)),
    "in a shape": (lambda x: ops.reshape(x, (ops.shape(x)[0], 2, -1)), lambda x: x.reshape(-1, 2, 2)),
    "in a value": (lambda x: x * ops.shape(x)[0], lambda x: x * len(x)),
}


@pytest.mark.parametrize("case", OF_THE_ROWS)
def test_what_needs_the_number_of_rows_may_stand_between_layers(case, tmp_path):
    drawn, wanted = OF_THE_ROWS[case]
    x = Input((4,))
    model = Model(x, layers.Rescaling(2.0)(drawn(layers.Rescaling(0.5)(x))))
    model.save(tmp_path / "model.safetensors")
    for again in (model, models.load_model(tmp_path / "model.safetensors")):
        np.testing.assert_allclose(again.predict(X, verbose=0), 2 * wanted(X / 2))
        np.testing.assert_allclose(again(X), 2 * wanted(X / 2))


def test_sub_models_nested_twice_and_shared():
    inner = Sequential([layers.Dense(3, "tanh"), layers.Dense(4)], name="inner")
    m = Input((4,))
    middle = Model(m, inner(m) + m, name="middle")
    x = Input((4,))
    model = Model(x, layers.Dense(1)(middle(middle(x))))
    model.compile(SGD(0.1), "mse")

    def loss(w, x, y):
        for _ in range(2):
            x = anp.tanh(x @ w[0] + w[1]) @ w[2] + w[3] + x
        return mse(y, x @ w[4] + w[5])

    assert [layer.name for layer in model.layers] == ["input_layer", "middle", "dense"]
    assert [v.shape for v in model.variables] == [(4, 3), (3,), (3, 4), (4,), (4, 1), (1,)]
    assert model.count_params() == 15 + 16 + 5
    assert_trains_like(model, loss, X, Y, [X, Y])
    assert np.array_equal(flat(middle), flat(model)[:31])  # the same variables, not copies


def frozen_before(inner, draw):
    inner.trainable = False
    return draw(inner)


def frozen_after(inner, draw):
    model = draw(inner)
    model.get_layer("inner").trainable = False
    return model


def frozen_layer_by_layer(inner, draw):
    model = draw(inner)
    for layer in inner.layers:
        layer.trainable = False
    return model


@pytest.mark.parametrize("frozen", [frozen_before, frozen_after, frozen_layer_by_layer])
def test_frozen_parts_keep_their_weights_and_the_others_learn_as_if_they_were_constants(frozen):
    inner = Sequential([Input((4,)), layers.Dense(3, "tanh"), layers.Dense(4)], name="inner")

    def draw(inner):
        x = Input((4,))
        model = Model(x, layers.Dense(1)(inner(x)))
        model.compile(SGD(0.1), "mse")
        return model

    model = frozen(inner, draw)
    kept = [w.copy() for w in inner.get_weights()]
    assert len(model.trainable_variables) == 2
    assert len(model.non_trainable_variables) == 4

    def loss(w, x, y):
        h = anp.tanh(x @ kept[0] + kept[1]) @ kept[2] + kept[3]
        return mse(y, h @ w[0] + w[1])

    wanted = descended(loss, model.get_weights()[4:], [X, Y])
    fit(model, X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(inner.get_weights(), kept, strict=True))
    np.testing.assert_allclose(model.get_weights()[4], wanted[0], rtol=1e-9)
    inner.trainable = True
    fit(model, X, Y)
    assert not any(np.array_equal(a, b) for a, b in zip(inner.get_weights(), kept, strict=True))


def test_what_a_hidden_layer_gives_is_a_model_of_its_own():
    model = Sequential([Input((4,)), layers.Dense(3, "relu", name="h"), layers.Dense(1)])
    model.compile(SGD(0.1), "mse")
    features = Model(model.input, model.get_layer("h").output)
    every = Model(model.inputs, [layer.output for layer in model.layers])
    fit(model, X, Y)
    kernel, bias = model.get_layer("h").get_weights()
    wanted = np.maximum(X @ kernel + bias, 0)
    np.testing.assert_allclose(features.predict(X, verbose=0), wanted)
    np.testing.assert_allclose(every.predict(X, verbose=0)[0], wanted)
    np.testing.assert_allclose(every.predict(X, verbose=0)[1], model.predict(X, verbose=0))


def test_inputs_and_outputs_are_lists_of_symbols():
    x = Input((4,), name="x")
    model = Model(x, {"u": layers.Dense(1)(x)})
    assert model.input is x
    assert model.inputs[0] is x
    assert len(model.inputs) == 1
    assert [s.shape for s in model.outputs] == [(None, 1)]
    assert list(model.output) == ["u"]
    assert (model.input_shape, model.output_shape) == ((None, 4), {"u": (None, 1)})


def test_layers_are_found_by_name_and_number_and_errors_suggest():
    model = Sequential([Input((4,)), layers.Dense(3, name="hidden"), layers.Dense(1)])
    assert model.get_layer("hidden") is model.get_layer(index=0) is model.layers[0]
    with pytest.raises(ValueError, match="did you mean 'hidden'"):
        model.get_layer("hiden")
    with pytest.raises(ValueError, match="no number 7"):
        model.get_layer(index=7)
    with pytest.raises(ValueError, match="not once"):
        layers.Dense(1).output  # noqa: B018


def test_a_summary_tells_layers_shapes_and_weights():
    inner = Sequential([Input((4,)), layers.Dense(3, name="first")], name="inner")
    inner.trainable = False
    x = Input((4,), name="x")
    model = Model(x, layers.Dense(1, name="last")(inner(x)), name="outer")
    told = []
    model.summary(print_fn=told.append, expand_nested=True, show_trainable=True)
    lines = [line.split() for line in told[0].splitlines()]
    assert lines[0] == ["Model", "'outer'"]
    assert ["inner", "(Sequential)", "(None,", "3)", "15", "no"] in lines
    assert ["first", "(Dense)", "(None,", "3)", "15", "no"] in lines
    assert ["last", "(Dense)", "(None,", "1)", "4", "yes"] in lines
    assert lines[-1][:4] == ["19", "weights", "in", "all"]
    assert told[0].endswith("4 of them trainable")


def test_the_order_of_weights_is_that_of_the_layers_and_setting_them_is_all_or_nothing():
    model = Sequential([Input((4,)), layers.Dense(3), layers.BatchNormalization(), layers.Dense(1)])
    shapes = [(4, 3), (3,), (3,), (3,), (3,), (3,), (3, 1), (1,)]
    assert [w.shape for w in model.get_weights()] == shapes
    new = [np.full(s, float(k)) for k, s in enumerate(shapes)]
    model.set_weights(w for w in new)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), new, strict=True))
    for wrong in (new[:-1], [*new[:-1], np.zeros(2)], [*(w + 1 for w in new[:-1]), np.array(["a"])]):
        with pytest.raises(ValueError):  # noqa: PT011 - two of ours, one of NumPy's
            model.set_weights(wrong)
        assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), new, strict=True))


WRONG_DRAWINGS = {
    "an input that is not given": (lambda x, z: Model(x, layers.Dense(1)(x + z)), r"depend on the inputs \['z'\]"),
    "inputs that are no inputs": (lambda x, z: Model(x * 2, x * 3), "what Input"),
    "two layers of one name": (
        lambda x, z: Model(x, layers.Dense(1, name="d")(layers.Dense(4, name="d")(x))),
        "two layers .* have the name 'd'",
    ),
    "an unknown output": (lambda x, z: Model(x, layers.Dense(1, name="u")(x)).compile("sgd", {"w": "mse"}), "'u'"),
    "too many losses": (lambda x, z: Model(x, layers.Dense(1)(x)).compile("sgd", ["mse", "mse"]), "2 entries"),
    "a slash in a name": (lambda x, z: layers.Dense(1, name="a/b"), "without '/'"),
}


@pytest.mark.parametrize("case", WRONG_DRAWINGS)
def test_wrong_drawings_are_refused_by_name(case):
    draw, message = WRONG_DRAWINGS[case]
    with pytest.raises(ValueError, match=message):
        draw(Input((4,), name="x"), Input((4,), name="z"))


@pytest.mark.parametrize(
    "use", [bool, float, int, len, list, np.exp, np.asarray, lambda x: 1 if x[0, 0] > 0 else 2, lambda x: np.mean(x)]
)
def test_a_symbol_has_no_value_and_the_error_names_the_line(use):
    with pytest.raises(TypeError, match=r"test_functional\.py:\d+.*no value"):
        use(Input((4,)))


def test_comparisons_of_symbols_are_by_element():
    """An == that compared objects would be False here, and the loss silently another one."""
    x = Input((4,))
    model = Model(x, ops.where(x == 0.0, 5.0, ops.where(x != x[:, :1], x, -x)))
    data = np.array([[0.0, 1.0, 2.0, 0.0], [3.0, 3.0, 0.0, 4.0]])
    assert model.predict(data, verbose=0).tolist() == [[5, 1, 2, 5], [-3, -3, 5, 4]]
    assert (x == None) is False  # noqa: E711 - what scripts ask of optional arguments
