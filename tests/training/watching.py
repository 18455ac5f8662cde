"""A small model, its data, and trainings whose logs are scripted: for the tests of callbacks."""

import numpy as np

import gpubp
from gpubp.callbacks import Callback
from gpubp.layers import Dense


def regression(optimizer="sgd", metrics=None, seed=0):
    gpubp.set_random_seed(seed)
    model = gpubp.Sequential([gpubp.Input((2,)), Dense(3, "tanh"), Dense(1)])
    model.compile(optimizer, "mse", metrics=metrics)
    return model


class Batches:
    """A Sequence of batches of 8, 8 and 4 rows."""

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __len__(self):
        return 3

    def __getitem__(self, k):
        return self.x[8 * k : 8 * k + 8], self.y[8 * k : 8 * k + 8]


class Script(Callback):
    """Writes values into the logs of epochs before other callbacks see them, and keeps the weights of each epoch."""

    def __init__(self, **values):
        super().__init__()
        self.values, self.weights, self.rates = values, [], []

    def on_epoch_end(self, epoch, logs=None):
        logs |= {name: values[epoch] for name, values in self.values.items()}
        self.weights.append(self.model.get_weights())
        self.rates.append(self.model.optimizer.learning_rate)


def scripted(callback, values, monitor="val_loss", model=None, **options):
    """A training in which the monitored number is as scripted; the script and the history."""
    model, script = model or regression(), Script(**{monitor: values})
    x = np.ones((4, 2), np.float32)
    callbacks = [script, callback]
    return script, model.fit(x, x[:, :1], epochs=len(values), callbacks=callbacks, verbose=0, **options)
