"""train_on_batch and predict_on_batch, which take a short way from the second batch of a shape on."""

import numpy as np
import pytest

import gpubp
from gpubp.layers import BatchNormalization, Dense, Dropout


def model(seed=0):
    gpubp.set_random_seed(seed)
    made = gpubp.Sequential(
        [gpubp.Input((6,)), Dense(8, "tanh", name="hidden"), BatchNormalization(), Dropout(0.3), Dense(3, "softmax")]
    )
    made.compile(gpubp.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


def batches(n, rows=16):
    rng = np.random.default_rng(0)
    return [(rng.standard_normal((rows, 6)).astype(np.float32), rng.integers(0, 3, rows)) for _ in range(n)]


def weights(m):
    return np.concatenate([w.ravel() for w in m.get_weights()])


def test_steps_on_single_batches_are_those_of_fit():
    data, one, other = batches(8), model(), model()
    logs = [one.train_on_batch(x, y, return_dict=True) for x, y in data]
    x, y = (np.concatenate(parts) for parts in zip(*data, strict=True))
    history = other.fit(x, y, batch_size=16, shuffle=False, verbose=0).history
    assert np.array_equal(weights(one), weights(other))
    assert (one.iterations, one.updates) == (other.iterations, other.updates) == (8, 8)
    assert np.mean([log["loss"] for log in logs]) == pytest.approx(history["loss"][0], rel=1e-6)
    assert np.mean([log["accuracy"] for log in logs]) == pytest.approx(history["accuracy"][0])


def test_what_changes_in_between_is_seen():
    """The rate, frozen layers, assigned weights, other calls: as by fit, which takes the long way."""

    def drive(m, step):
        for k, (x, y) in enumerate(batches(12)):
            if k == 4:
                m.optimizer.learning_rate = 0.1
            if k == 6:
                m.get_layer("hidden").trainable = False
            if k == 8:
                m.set_weights([0.5 * w for w in m.get_weights()])
            if k == 10:
                m.get_layer("hidden").trainable = True
                m.evaluate(x, y)
            step(m, x, y)
        return m

    short = drive(model(), lambda m, x, y: m.train_on_batch(x, y))
    long = drive(model(), lambda m, x, y: m.fit(x, y, batch_size=16, shuffle=False, verbose=0))
    assert np.array_equal(weights(short), weights(long))


@pytest.mark.parametrize("wrong", ["label", "nan"])
def test_a_bad_batch_is_refused_on_the_short_way_too(wrong):
    m, data = model(), batches(6)
    for x, y in data[:4]:
        m.train_on_batch(x, y)
    before, steps = weights(m), m.iterations
    x, y = (a.copy() for a in data[4])
    if wrong == "label":
        y[3] = 7
    else:
        x[2, 1] = np.nan
    with pytest.raises(ValueError, match=r"label 7|not finite"):
        m.train_on_batch(x, y)
    assert np.array_equal(weights(m), before)
    assert m.iterations == steps
    m.train_on_batch(*data[5])
    assert m.iterations == steps + 1


def test_predictions_follow_the_weights():
    m, (x, y) = model(), batches(1)[0]
    for _ in range(5):
        m.train_on_batch(x, y)
        again = m.predict_on_batch(x)
        assert np.array_equal(again, m.predict(np.concatenate([x, x]))[:16])
        again[:] = 0  # it is the caller's own
    assert m.predict_on_batch(x).sum() == pytest.approx(16, rel=1e-5)


def test_another_model_may_take_the_layers_over():
    m, (x, y) = model(), batches(1)[0]
    for _ in range(3):
        m.predict_on_batch(x)
    other = gpubp.Model(m.input, m.output)
    other.compile("sgd", "sparse_categorical_crossentropy")
    for _ in range(3):
        other.train_on_batch(x, y)
        assert np.array_equal(m.predict_on_batch(x), other.predict(x))
