"""Trainings that are stopped and resumed in the tests: the same script, whatever has happened before."""

import numpy as np

import gpubp
from gpubp.callbacks import BackupAndRestore, Callback, EarlyStopping, LearningRateScheduler, ReduceLROnPlateau
from gpubp.layers import Dense, Dropout

ROWS, BATCH = 62, 8  # seven full batches and one of six rows


class Sequence:
    """Batches by number, of several sizes."""

    def __init__(self, x, y):
        self.x, self.y = x, y
        self.cuts = [0, 8, 16, 21, 29, 37, 42, 50, 62]

    def __len__(self):
        return len(self.cuts) - 1

    def __getitem__(self, k):
        rows = slice(self.cuts[k], self.cuts[k + 1])
        return self.x[rows], self.y[rows]


def data():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((ROWS, 4)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(np.int64)


def model(accumulate=None, optimizer="adam"):
    """Adam's slots, dropout, an odd number of weights."""
    gpubp.set_random_seed(11)
    made = gpubp.Sequential([gpubp.Input((4,)), Dense(7, "tanh"), Dropout(0.3), Dense(2, "softmax")])
    made.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    made.optimizer.gradient_accumulation_steps = accumulate
    return made


def callbacks(folder, save_freq):
    """All that keep a state, before and after the backup in the list."""
    return [
        LearningRateScheduler(lambda epoch, rate: rate * 0.97 if epoch else 0.02),
        *([BackupAndRestore(folder, save_freq)] if folder else []),
        EarlyStopping("val_loss", patience=8, restore_best_weights=True),
        ReduceLROnPlateau("loss", factor=0.5, patience=2, min_delta=0.01),
    ]


def run(kind="arrays", folder=None, save_freq="epoch", epochs=12, accumulate=None, also: tuple[Callback, ...] = ()):
    """One training as a script would do it; the model and its history."""
    x, y = data()
    made = model(accumulate)
    given = {"x": x, "y": y, "batch_size": BATCH} if kind == "arrays" else {"x": Sequence(x, y)}
    watching = [*also, *callbacks(folder, save_freq)]
    history = made.fit(**given, epochs=epochs, validation_data=(x[:20], 1 - y[:20]), callbacks=watching, verbose=0)
    return made, history


def bits(made) -> bytes:
    """The weights and the optimizer's arrays, to compare."""
    return b"".join(w.tobytes() for w in [*made.get_weights(), *made.optimizer_state().values()])
