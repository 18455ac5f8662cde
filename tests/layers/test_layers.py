"""All layers, by the table of `layer_cases`: eager, recorded, differentiated, made of configurations, in models."""

import json

import numpy as np
import pytest

import gpubp
from gpubp import layers, ops
from gpubp.engine.variables import Variable

from .layer_cases import CASES, ROWS

DETERMINISTIC = [name for name, case in CASES.items() if case.trained != "random"]


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def flat(inputs):
    return inputs if isinstance(inputs, list) else [inputs]


def weights_of(layer):
    return {v.name.partition("/")[2]: v.numpy() for v in layer.variables}


def again(layer, inputs, training):
    """A call that draws what the first one did."""
    if hasattr(layer, "seed_generator"):
        layer.seed_generator = gpubp.random.SeedGenerator(5)
    return layer(inputs, training=training) if training else layer(inputs)


def test_every_layer_has_a_case():
    assert {type(c.make()) for c in CASES.values()} == set(layers.CLASSES.values())
    public = {name for name, x in vars(layers).items() if isinstance(x, type) and issubclass(x, layers.Layer)}
    assert public - {"Layer", "Merge"} == set(layers.CLASSES) - {"Input"}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", DETERMINISTIC)
def test_layers_equal_their_oracles(name, dtype, training):
    case = CASES[name]
    layer, inputs = case.built(dtype), case.inputs(dtype)
    oracle = case.trained if training and case.trained else case.oracle
    wanted = oracle(*(x.astype(np.float64) if x.dtype.kind == "f" else x for x in flat(inputs)), **weights_of(layer))
    found = layer(inputs, training=training)
    assert found.dtype == (layer.dtype if case.indices is None or layer.variables or name[:3] == "Res" else "int64")
    tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("executor", ["auto", "reference"])
def test_recorded_layers_equal_eager_ones(case, executor, training):
    layer, inputs = case.built(), case.inputs()
    eager = again(layer, inputs, training)
    compiled = gpubp.compile(lambda x: again(layer, x, training), executor)(inputs)
    assert compiled.dtype == eager.dtype
    np.testing.assert_allclose(compiled, eager, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("training", [False, True])
def test_gradients_by_inputs_and_weights_equal_differences(case, training):
    layer, inputs = case.built(), case.inputs()
    trainable = {name: v for name, v in vars(layer).items() if isinstance(v, Variable) and v.trainable}

    def function(given):
        """The layer's output with other values in the places of its weights."""
        vars(layer).update(given["weights"])
        try:
            return again(layer, given.get("inputs", inputs), training)
        finally:
            vars(layer).update(trainable)

    given = {"weights": {name: v.numpy() for name, v in trainable.items()}}
    if case.indices is None:
        given["inputs"] = inputs
    elif not trainable:
        assert layer(inputs).dtype == np.float64  # integers in, and nothing to differentiate by
        return
    gpubp.gradcheck(function, given)


def test_a_layer_made_of_a_configuration_gives_the_same(case):
    layer, inputs = case.built(), case.inputs()
    config = layer.get_config()
    if not isinstance(layer, layers.Lambda):
        config = json.loads(json.dumps(config))
    twin = type(layer).from_config(config)
    assert twin.get_config() == layer.get_config()
    assert twin.name == "tested"
    twin(inputs)
    twin.set_weights(layer.get_weights())
    for training in (False, True):
        np.testing.assert_array_equal(again(twin, inputs, training), again(layer, inputs, training))


def test_shapes_of_outputs_are_told_without_inputs(case):
    layer, shape = case.make(), [(None, *s) for s in case.shapes]
    told = layer.compute_output_shape(shape if case.several else shape[0])
    assert told == (None, *case.built()(case.inputs()).shape[1:])


def test_wrong_shapes_are_refused_with_the_name_of_the_layer(case):
    layer, rng = case.built(), np.random.default_rng(0)
    before = layer.get_weights()
    for wrong in case.wrong:
        shapes = wrong if case.several else [wrong]
        arrays = [np.asarray(rng.standard_normal((ROWS, *s))) for s in shapes]
        with pytest.raises(ValueError, match="the layer 'tested'"):
            layer(arrays if case.several else arrays[0])
        with pytest.raises(ValueError, match="the layer 'tested'"):
            layer.compute_output_shape([(None, *s) for s in wrong] if case.several else (None, *wrong))
    if case.several or layer.input_spec is not None:
        with pytest.raises(ValueError, match="the layer 'tested' takes"):
            layer(case.inputs()[0] if case.several else [case.inputs()] * 2)
    np.testing.assert_equal(layer.get_weights(), before)


def model_of(case, frozen=False, run_eagerly=False):
    """A drawn model, in which the layer stands between others that learn."""
    gpubp.set_random_seed(3)
    integers = case.indices is not None
    inputs = [gpubp.Input(s, dtype="int64" if integers else None, name=f"x{k}") for k, s in enumerate(case.shapes)]
    lifted = [
        x if integers or x.ndim < 2 else layers.Dense(x.shape[-1], name=f"lift{k}")(x) for k, x in enumerate(inputs)
    ]
    layer = case.make(name="tested", trainable=not frozen)
    y = layer(lifted if case.several else lifted[0])
    y = layers.Dense(1, name="last")(layers.Flatten(name="flat")(y))
    model = gpubp.Model(inputs, y)
    model.compile(gpubp.optimizers.SGD(0.05), "mse", run_eagerly=run_eagerly)
    return model


def data_of(case, rows=7):
    x = flat(case.inputs("float32", rows))
    return x, np.linspace(-1, 1, rows, dtype=np.float32)[:, None]


def trained(case, **options):
    model = model_of(case, **options)
    x, y = data_of(case)
    before = model.get_layer("tested").get_weights()
    model.fit(x, y, batch_size=4, epochs=2, verbose=0)
    return model, before


def test_models_train_alike_on_the_cpu_and_by_the_reference(case):
    """Two epochs of a batch of 4 and one of 3 rows."""
    (model, before), (reference, _) = trained(case), trained(case, run_eagerly=True)
    for found, wanted in zip(model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    moved = [not np.array_equal(a, b) for a, b in zip(before, model.get_layer("tested").get_weights(), strict=True)]
    assert all(moved) or isinstance(model.get_layer("tested"), layers.Normalization | layers.Embedding)
    x, _ = data_of(case)
    np.testing.assert_allclose(model.predict(x, verbose=0), reference.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def test_models_train_alike_by_one_thread_and_by_three(case, team_of):
    (alone, _) = trained(case)
    team_of(3)
    (together, _) = trained(case)
    for found, wanted in zip(together.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7)


def test_a_frozen_layer_keeps_all_it_knows(case):
    model, before = trained(case, frozen=True)
    np.testing.assert_equal(model.get_layer("tested").get_weights(), before)
    assert not np.array_equal(model.get_layer("last").get_weights()[1], [0.0])


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if not c.several and c.indices is None])
def test_layers_work_in_a_sequential_without_an_input(name):
    case = CASES[name]
    gpubp.set_random_seed(0)
    model = gpubp.Sequential([case.make(), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    (x,), y = data_of(case)
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
    assert model.predict(x, verbose=0).shape == (7, 1)


REFUSED = {
    "Dense": lambda: layers.Dense(0),
    "Embedding: input_dim": lambda: layers.Embedding(0, 2),
    "Embedding: output_dim": lambda: layers.Embedding(2, 2.5),
    "Embedding: mask_zero": lambda: layers.Embedding(2, 2, mask_zero=True),
    "ReLU: max_value": lambda: layers.ReLU(max_value=-1),
    "ReLU: negative_slope": lambda: layers.ReLU(negative_slope=None),
    "ReLU: threshold": lambda: layers.ReLU(threshold=-0.1),
    "LeakyReLU: negative_slope": lambda: layers.LeakyReLU(-1),
    "shared_axes": lambda: layers.PReLU(shared_axes=2)(np.ones((2, 3))),
    "Dropout: rate": lambda: layers.Dropout(1.0),
    "Dropout: seed": lambda: layers.Dropout(0.5, seed="1"),
    "Dropout: noise_shape": lambda: layers.Dropout(0.5, (None, 0)),
    "AlphaDropout: rate": lambda: layers.AlphaDropout(-0.1),
    "GaussianDropout: rate": lambda: layers.GaussianDropout(True),
    "GaussianNoise: stddev": lambda: layers.GaussianNoise(1.5),
    "l1 must be": lambda: layers.ActivityRegularization(-1.0),
    "BatchNormalization: epsilon": lambda: layers.BatchNormalization(epsilon=0),
    "BatchNormalization: momentum": lambda: layers.BatchNormalization(momentum=2),
    "has axis 2": lambda: layers.BatchNormalization(2)(np.ones((2, 3))),
    "has axis 0": lambda: layers.LayerNormalization(0)(np.ones((2, 3))),
    r"has axis \[1, -1\]": lambda: layers.LayerNormalization([1, -1])(np.ones((2, 3))),
    "RMSNormalization: epsilon": lambda: layers.RMSNormalization(epsilon=-1),
    "given together": lambda: layers.Normalization(mean=1.0),
    "in the same shape": lambda: layers.Normalization(mean=[1.0], variance=1.0),
    "a mean of shape": lambda: layers.Normalization(mean=[1, 2], variance=[1, 2])(np.ones((2, 3))),
    "was given its mean": lambda: layers.Normalization(mean=1.0, variance=1.0).adapt(np.ones((2, 3))),
    "without rows": lambda: layers.Normalization().adapt(np.ones((0, 3))),
    "Flatten: data_format": lambda: layers.Flatten("last"),
    "Reshape: target_shape": lambda: layers.Reshape((-1, -1)),
    "Permute: dims": lambda: layers.Permute((0, 1)),
    "RepeatVector: n": lambda: layers.RepeatVector(0),
    "takes a list": lambda: layers.Add()(np.ones((2, 3))),
    "takes 2 arrays": lambda: layers.Subtract()([np.ones((2, 3))] * 3),
    r"\(None, 3\), \(None, 3\)": lambda: layers.Concatenate(0)([np.ones((2, 3))] * 2),
}


@pytest.mark.parametrize("message", REFUSED)
def test_arguments_out_of_range_are_refused_by_name(message):
    with pytest.raises(ValueError, match=message):
        REFUSED[message]()


def test_what_cannot_be_a_function_or_an_axis_is_refused():
    with pytest.raises(TypeError, match="Lambda takes a function"):
        layers.Lambda("square")
    with pytest.raises(TypeError, match="Dot: axes"):
        layers.Dot([1, 2, 3])
    with pytest.raises(TypeError, match="takes no argument 'renorm'"):
        layers.BatchNormalization(renorm=True)


def test_functions_do_what_their_layers_do():
    xs = [np.random.default_rng(k).standard_normal((3, 4)) for k in range(2)]
    for kind in (layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum):
        np.testing.assert_array_equal(getattr(layers, kind.__name__.lower())(xs), kind()(xs))
    np.testing.assert_array_equal(layers.concatenate(xs, axis=-1), np.concatenate(xs, -1).astype(np.float32))
    np.testing.assert_array_equal(layers.dot(xs), layers.Dot(-1)(xs))
    x = gpubp.Input((4,))
    assert layers.add([x, x], name="both").op.layer.name == "both"


def test_a_masked_softmax_gives_nothing_to_what_is_masked():
    x, mask = np.array([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]]), np.array([[True, True, False], [False] * 3])
    found = layers.Softmax(dtype="float64")(x, mask=mask)
    np.testing.assert_allclose(found, [[1 / (1 + np.e), np.e / (1 + np.e), 0], [0, 0, 0]], rtol=1e-12)


def test_lambda_passes_on_whether_it_is_training():
    layer = layers.Lambda(lambda x, training: x * 2 if training else x)
    np.testing.assert_array_equal(layer(np.ones((1, 1)), training=True), [[2.0]])
    np.testing.assert_array_equal(layer(np.ones((1, 1))), [[1.0]])


@pytest.mark.parametrize("run_eagerly", [False, True])
@pytest.mark.parametrize("index", [-1, 7, 10**12])
def test_an_index_out_of_range_is_named_and_changes_nothing(index, run_eagerly):
    model = gpubp.Sequential([layers.Embedding(7, 3), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=run_eagerly)
    x, y = np.arange(12).reshape(6, 2) % 7, np.zeros(6)
    model.fit(x, y, verbose=0)
    before = model.get_weights()
    bad = x.copy()
    bad[4, 1] = index
    with pytest.raises(ValueError, match=rf"step 1: the index {index} is not in 0\.\.6 in the layer 'embedding'"):
        model.fit(bad, y, verbose=0)
    np.testing.assert_equal(model.get_weights(), before)
    with pytest.raises(ValueError, match=rf"the layer 'embedding': the index {index} is not in 0\.\.6"):
        model.layers[0](bad)


def test_only_met_indices_are_learned():
    model = gpubp.Sequential([layers.Embedding(7, 3), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.build((None, 2))
    before = model.layers[0].get_weights()[0]
    model.fit(np.array([[2, 5], [5, 2]]), np.ones(2), verbose=0)
    changed = (model.layers[0].get_weights()[0] != before).any(1)
    assert changed.tolist() == [False, False, True, False, False, True, False]


def test_ops_are_what_layers_of_ones_own_are_made_of():
    class Scaled(layers.Layer):
        def build(self, input_shape):
            self.input_spec = layers.InputSpec(ndim=2, axes={-1: input_shape[-1]})
            self.scale = self.add_weight(input_shape[-1:], lambda shape, dtype: np.full(shape, 2, dtype), name="scale")

        def call(self, inputs):
            return ops.multiply(inputs, self.scale)

    layer = Scaled(name="own")
    np.testing.assert_array_equal(layer(np.ones((2, 3))), np.full((2, 3), 2.0))
    with pytest.raises(ValueError, match=r"the layer 'own' takes inputs of shape \(rows, 3\); it got \(None, 4\)"):
        layer(np.ones((2, 4)))


@pytest.mark.parametrize(
    ("cls", "name"),
    [("MyHTTPLayer", "my_http_layer"), ("My_Layer", "my_layer"), ("_Own", "_own"), ("Conv2D", "conv2d")],
)
def test_layers_are_called_as_losses_and_metrics_of_their_class_would_be(cls, name):
    bases = (gpubp.layers.Layer, gpubp.losses.Loss, gpubp.metrics.Metric)
    assert {type(cls, (base,), {})().name for base in bases} == {name}
