"""How many steps a graph holds, and that an epoch of graphs and a rest is an epoch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpubp.engine.executors import cuda
from gpubp.engine.executors.graph_size import MOST, NODES, SHARE, TRIALS, graph_size, measured

from .test_training import LABELS, ROWS, classifier, distance, fitted

SECONDS = st.floats(1e-7, 1.0)


@given(SECONDS, SECONDS, st.integers(1, 3 * NODES))
def test_it_is_as_large_as_the_launch_asks_for_and_no_larger(launch, step, calls):
    size = graph_size(launch, step, calls)
    assert size & (size - 1) == 0
    assert 1 <= size <= MOST
    assert size == 1 or size * calls <= NODES
    if size < MOST and 2 * size * calls <= NODES:
        assert launch <= SHARE * size * step * (1 + 1e-9)
    if size > 1:
        assert launch > SHARE * size / 2 * step


def test_a_clock_that_stands_still_is_no_reason_to_stop():
    assert graph_size(0.0, 0.0, 10) == MOST


class Clocked:
    """A device whose launches take one second and whose graphs take five more, by a clock of its own."""

    def __init__(self):
        self.time = self.done = 0.0

    def replay(self, graph):
        self.time += 1
        self.done = self.time + 5

    def synchronise(self):
        self.time = max(self.time, self.done)


def test_launches_are_measured_apart_from_what_they_launch(monkeypatch):
    device = Clocked()
    monkeypatch.setattr("gpubp.engine.executors.graph_size.perf_counter", lambda: device.time)
    assert measured(device, None) == (1, 6)
    assert device.time == 6 * TRIALS


@pytest.mark.parametrize("size", [1, 4, 8, 64])
def test_an_epoch_is_single_steps_then_graphs_then_the_rest(gpu, monkeypatch, size):
    monkeypatch.setattr(cuda, "graph_size", lambda *measured: size)
    model, _ = fitted(classifier, LABELS, epochs=1, batch_size=2)
    (runner,) = next(r for key, r in model._runners.items() if key[0] == "train")
    (table,) = runner.executor.tables.values()
    assert table.size == size
    assert set(table.graphs) <= {1, size}
    assert model.iterations == ROWS // 2
    monkeypatch.setattr(cuda, "graph_size", lambda *measured: 1)
    assert distance(fitted(classifier, LABELS, epochs=1, batch_size=2)[0], model) == 0
