"""Architectures that hypothesis draws: the compiled executor gives what the reference gives, op by op in NumPy."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gpubp
from gpubp import Input, Model, layers
from gpubp.losses import SparseCategoricalCrossentropy
from tests.models.oracle import flat

WIDTHS = st.integers(1, 9)
ACTIVATIONS = st.sampled_from([None, "relu", "tanh", "gelu", "elu", "sigmoid", "softplus", "silu", "leaky_relu"])
KINDS = ["dense", "dropout", "residual", "concat", "shared", "multiply", "normalize", "slice"]
STEPS = st.tuples(st.sampled_from(KINDS), st.integers(0, 30), st.integers(0, 30), WIDTHS, ACTIVATIONS)
OPTIMIZERS = {
    "nesterov": lambda: gpubp.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "adam, clipped": lambda: gpubp.optimizers.Adam(0.01, global_clipnorm=1.0),
    "adamw, averaged": lambda: gpubp.optimizers.AdamW(0.01, weight_decay=0.1, use_ema=True),
    "rmsprop, centred": lambda: gpubp.optimizers.RMSprop(0.01, centered=True),
    "sgd, accumulated": lambda: gpubp.optimizers.SGD(0.1, gradient_accumulation_steps=2),
    "adagrad, clipped": lambda: gpubp.optimizers.Adagrad(0.05, clipvalue=0.5),
}
HEADS = {
    "softmax": ("softmax", lambda: SparseCategoricalCrossentropy()),
    "logits": (None, lambda: SparseCategoricalCrossentropy(from_logits=True)),
    "regression": ("sigmoid", lambda: gpubp.losses.Huber(0.5)),
}


def drawn(inputs, steps, head, optimizer, run_eagerly):
    """The model: each step takes some of what is there already; the last value and an input have heads."""
    gpubp.set_random_seed(5)
    sources = [Input((width,)) for width in inputs]
    values, shared = list(sources), {}
    for kind, a, b, width, activation in steps:
        values.append(grown(kind, values[a % len(values)], values[b % len(values)], width, activation, shared))
    activation, loss = HEADS[head]
    model = Model(sources, [layers.Dense(3, activation)(values[-1]), layers.Dense(1)(values[0])])
    metrics = [["mae"] if head == "regression" else ["accuracy"], ["mae"]]
    optimizer = OPTIMIZERS[optimizer]()
    model.compile(optimizer, [loss(), "mse"], loss_weights=[1.0, 0.3], metrics=metrics, run_eagerly=run_eagerly)
    return model


def grown(kind, x, y, width, activation, shared):
    if kind == "dense":
        return layers.Dense(width, activation, kernel_regularizer="l2")(x)
    if kind == "dropout":
        return layers.Dropout(0.3)(x)
    if kind == "concat":
        return layers.Concatenate()([x, y])
    if kind == "normalize":
        return layers.LayerNormalization()(x)
    if kind == "slice":
        return x[:, : max(1, x.shape[1] // 2)] * 2 - 1
    if kind == "shared":
        layer = shared.setdefault(x.shape[1], layers.Dense(x.shape[1], activation))
        return layer(layer(x))
    other = layers.Dense(x.shape[1], activation)(y)
    return x + other if kind == "residual" else x * other


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    inputs=st.lists(WIDTHS, min_size=1, max_size=2),
    steps=st.lists(STEPS, min_size=1, max_size=6),
    head=st.sampled_from(sorted(HEADS)),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    batch_size=st.integers(3, 24),
    weighted=st.booleans(),
)
def test_the_compiled_executor_agrees_with_the_reference(inputs, steps, head, optimizer, batch_size, weighted):
    """In float64 after at most 21 steps, short batches among them."""
    rng = np.random.default_rng(0)
    x = [rng.standard_normal((21, width)) for width in inputs]
    y = [rng.standard_normal((21, 3)) if head == "regression" else rng.integers(0, 3, 21), rng.standard_normal(21)]
    weights = rng.uniform(0, 2, 21) if weighted else None
    gpubp.config.set_floatx("float64")
    try:
        compiled, reference = (drawn(inputs, steps, head, optimizer, eager) for eager in (False, True))
    finally:
        gpubp.config.set_floatx("float32")
    options = {"batch_size": batch_size, "epochs": 3, "sample_weight": weights, "verbose": 0}
    found, wanted = (model.fit(x, y, **options).history for model in (compiled, reference))
    a, b = flat(compiled), flat(reference)
    assert np.linalg.norm(a - b) <= 1e-10 * np.linalg.norm(b)
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, rel=1e-9, abs=1e-11)
    for p, q in zip(compiled.predict(x, verbose=0), reference.predict(x, verbose=0), strict=True):
        assert np.linalg.norm(p - q) <= 1e-9 * np.linalg.norm(q)
