"""What programs take of memory, asserted from their plans."""

import itertools

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
    return -(-4 * width * batch // ALIGNED) * ALIGNED


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("batch", [1, 32, 1000])
def test_predict_takes_the_two_largest_activations_side_by_side(net, extra, batch):
    widths = NETS[net]
    found = work(mlp(widths, EXTRAS[extra]), batch, "predict")
    assert found <= 1.1 * max(bytes_of(a, batch) + bytes_of(b, batch) for a, b in itertools.pairwise(widths))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("extra", ["none", "dropout"])
@pytest.mark.parametrize("batch", [32, 1000])
def test_training_takes_what_backward_reads_and_twice_the_largest(net, extra, batch):
    """Backward reads the input of each layer; a mask of dropout is drawn anew or kept with its activation."""
    widths = NETS[net]
    kept = [w for w in widths[1:-1] for _ in range(1 if EXTRAS[extra] is None else 2)]
    found = work(mlp(widths, EXTRAS[extra]), batch, "train")
    assert found <= sum(bytes_of(w, batch) for w in kept) + 2 * bytes_of(max(widths[1:]), batch)


def test_a_plan_grows_with_the_batch_and_not_with_the_data():
    model = mlp([4, 8, 1])
    model.fit(np.zeros((5000, 4)), np.zeros(5000), batch_size=16, verbose=0)
    assert work(model, 16, "train") < 16 * 4 * 64
