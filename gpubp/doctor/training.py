"""Whether training works: a small net learns something."""

import time
from typing import Any

import numpy as np


def trial() -> dict[str, Any]:
    """Trains a 2-4-2 net to tell which of two numbers is larger; whether that works, and how."""
    start = time.perf_counter()
    try:
        message = _train()
    except Exception as error:  # whatever it is, it is what a person asks a doctor about
        return {"works": False, "message": f"{type(error).__name__}: {error}"}
    return {"works": True, "message": f"{message} in {time.perf_counter() - start:.1f} s"}


def _train() -> str:
    from gpubp import Input, Sequential, layers, optimizers, set_random_seed

    set_random_seed(0)
    x = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    model = Sequential([Input((2,)), layers.Dense(4, "relu"), layers.Dense(2, "softmax")])
    model.compile(optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    losses = model.fit(x, (x[:, 0] > x[:, 1]).astype(np.int64), batch_size=16, epochs=10, verbose=0).history["loss"]
    if not losses[-1] < losses[0]:
        raise ArithmeticError(f"the loss went from {losses[0]:.4f} to {losses[-1]:.4f}")
    return f"a 2-4-2 net learned: loss {losses[0]:.4f} -> {losses[-1]:.4f}, {model.iterations} steps"
