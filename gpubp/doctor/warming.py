"""Kernels compiled ahead, for the nets that most people train."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from gpubp.backend.cache import cache_folder

# What the last layer computes, of how many outputs, and the loss and the metric that go with it.
TASKS = (
    ("softmax", 3, "sparse_categorical_crossentropy", "accuracy"),
    ("sigmoid", 1, "binary_crossentropy", "accuracy"),
    (None, 1, "mean_squared_error", "mean_absolute_error"),
)
ACTIVATIONS = ("relu", "tanh", "sigmoid")
CLASSES = (2, 4, 5, 6, 7, 8, 9, 10)  # of classifiers, besides those above: kernels of few columns know their number


def warm() -> dict[str, Any]:
    """Compiles the kernels that usual nets need: how many were not there yet, and the seconds that it took."""
    before, start = _kernels(), time.perf_counter()
    for model, outputs in _usual():
        x, y = np.zeros((5, 4), np.float32), np.zeros((5,) if outputs > 1 else (5, 1))
        y = y.astype(np.int64) if outputs > 1 else y.astype(np.float32)
        model.fit(x, y, batch_size=4, verbose=0)
        model.evaluate(x, y, verbose=0)
        model.predict(x, verbose=0)
    return {"compiled": len(_kernels() - before), "seconds": time.perf_counter() - start}


def _usual() -> Iterator[tuple[Any, int]]:
    """Nets that have in common with most others what their kernels depend on; widths above 16 do not count."""
    from gpubp import optimizers

    for task in TASKS:
        for hidden in ACTIVATIONS:
            yield _net(task, hidden, optimizers.Adam()), task[1]
    for classes in CLASSES:
        yield _net(("softmax", classes, *TASKS[0][2:]), "relu", optimizers.Adam()), classes
    yield _net(TASKS[0], "relu", optimizers.Adam(), dropout=0.1), TASKS[0][1]
    for rule in (optimizers.SGD(), optimizers.SGD(momentum=0.9)):
        yield _net(TASKS[0], "relu", rule), TASKS[0][1]


def _net(task, hidden, optimizer, dropout=0.0):
    from gpubp import Input, Sequential, layers

    last, outputs, loss, metric = task
    net = Sequential([Input((4,))])
    for _ in range(2):
        net.add(layers.Dense(24, hidden))
        if dropout:
            net.add(layers.Dropout(dropout))
    net.add(layers.Dense(outputs, last))
    net.compile(optimizer, loss, metrics=[metric])
    return net


def _kernels() -> set[str]:
    """The compiled kernels on disk, of all versions."""
    return {str(path) for path in cache_folder("kernels").rglob("*.o")}
