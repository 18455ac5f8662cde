"""What Keras calls and training does not is refused by name, rather than left out in silence."""

import numpy as np
import pytest

from gpubp import Input, Sequential, callbacks, layers, losses, metrics, ops, optimizers


class OwnStep(Sequential):
    def train_step(self, data):
        raise RuntimeError


class OwnUpdate(optimizers.SGD):
    def update_step(self, gradient, variable, learning_rate):
        raise RuntimeError


class OwnResult(metrics.MeanSquaredError):
    def result(self):
        return 42.0


class OwnCall(losses.MeanSquaredError):
    def __call__(self, *arguments, **options):
        return 100.0


def net(kind=Sequential):
    return kind([Input((4,)), layers.Dense(1)])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: net(OwnStep).compile("sgd", "mse"), "OwnStep defines train_step"),
        (lambda: net().compile(OwnUpdate(), "mse"), "OwnUpdate defines update_step.*update_variable"),
        (lambda: net().compile("sgd", "mse", metrics=[OwnResult()]), "OwnResult defines result.*define sums"),
        (lambda: net().compile("sgd", OwnCall()), "OwnCall defines __call__.*define call"),
    ],
)
def test_methods_that_would_do_nothing(act, message):
    with pytest.raises(ValueError, match=message):
        act()


def test_a_metric_of_a_whole_batch_counts_by_its_rows():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((23, 4)).astype(np.float32), rng.standard_normal((23, 1)).astype(np.float32)
    model = net()
    model.compile("sgd", "mse", metrics=[lambda t, p: ops.mean(ops.abs(t - p))])
    found = model.evaluate(x, y, batch_size=10)[1]
    assert found == pytest.approx(np.abs(y - model.predict(x)).mean(), rel=1e-6)


def test_the_optimizer_counts_along():
    seen, model = [], net()
    model.compile("sgd", "mse")

    class Look(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(self.model.optimizer.iterations)

    model.fit(np.ones((8, 4)), np.ones(8), batch_size=4, epochs=3, callbacks=[Look()], verbose=0)
    assert seen == [2, 4, 6]


def test_weights_without_names_are_numbered():
    class Linear(layers.Layer):
        def build(self, input_shape):
            self.w = self.add_weight(shape=(input_shape[-1], 3), initializer="random_normal", trainable=True)
            self.b = self.add_weight(shape=(3,), initializer="zeros", trainable=True)

        def call(self, inputs):
            return ops.matmul(inputs, self.w) + self.b

    model = Sequential([Input((4,)), Linear()])
    assert [v.name for v in model.variables] == ["linear/variable", "linear/variable_1"]
    assert float(model.variables[1].numpy().sum()) == 0.0
