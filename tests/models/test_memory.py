"""What programs take of memory, asserted from their plans."""

import math
from itertools import pairwise

import numpy as np
import pytest

from gpubp import Input, Sequential, layers

ALIGNED = 64  # bytes to which each array is rounded up


def mlp(widths, extra=None):
    hidden = []
    for width in widths[1:-1]:
        hidden += [layers.Dense(width, "relu"), *(extra() if extra else [])]
    model = Sequential([Input((widths[0],)), *hidden, layers.Dense(widths[-1])])
    model.compile("adam", "mse")
    return model


NETS = {
    "even": [64, 256, 256, 256, 10],
    "deep": [32] * 12,
    "a bottleneck": [300, 100, 3, 100, 300],
    "one wide layer": [10, 1000, 1],
    "growing": [8, 16, 32, 64, 128],
    "one layer": [50, 20],
}
EXTRAS = {
    "none": None,
    "dropout": lambda: [layers.Dropout(0.3)],
    "batch normalization": lambda: [layers.BatchNormalization()],
    "layer normalization": lambda: [layers.LayerNormalization()],
}


def work(model, batch, mode):
    return model.program(batch, mode).layout.sizes["work"]


def bytes_of(width, batch):
    return math.ceil(4 * width * batch / ALIGNED) * ALIGNED


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("batch", [1, 32, 1000])
def test_predict_takes_the_two_largest_activations_side_by_side(net, extra, batch):
    if batch == 1 and "normalization" in extra:
        batch = 32  # what it computes once for all rows counts beside a single row
    widths = NETS[net]
    found = work(mlp(widths, EXTRAS[extra]), batch, "predict")
    assert found <= 1.1 * max(bytes_of(a, batch) + bytes_of(b, batch) for a, b in pairwise(widths))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("extra", ["none", "dropout"])
@pytest.mark.parametrize("batch", [32, 1000])
def test_training_takes_what_backward_reads_and_twice_the_largest(net, extra, batch):
    """Backward reads what each layer gives; of dropout also the mask, a byte an element."""
    widths = NETS[net]
    read = sum(bytes_of(w, batch) for w in widths[1:-1])
    if extra == "dropout":
        read += sum(bytes_of(w, batch) + bytes_of(w / 4, batch) for w in widths[1:-1])
    assert work(mlp(widths, EXTRAS[extra]), batch, "train") <= read + 2 * bytes_of(max(widths[1:]), batch)


def test_a_plan_grows_with_the_batch_and_not_with_the_data():
    model = mlp([4, 8, 1])
    model.fit(np.zeros((5000, 4)), np.zeros(5000), batch_size=16, verbose=0)
    assert sum(model.program(16).layout.sizes.values()) < 16_000
