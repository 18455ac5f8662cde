"""How much of a device's memory an estimator takes: many processes may share a GPU."""

import gc
import weakref

import numpy as np
import pytest

from gpubp.backend import choice
from gpubp.sklearn import MLPClassifier, MLPRegressor, network
from tests.cuda.emulation.device import EmulatedDevice

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CONTEXT = 4096  # a few words, which tell kernels where arrays are


class Counting(EmulatedDevice):
    """Knows how many bytes are held, and how many there were at most."""

    held = peak = 0

    def alloc(self, nbytes):
        made = super().alloc(nbytes)
        memory = made.host if made.host.base is None else made.host.base
        self.held += memory.nbytes
        self.peak = max(self.peak, self.held)
        weakref.finalize(memory, self._freed, memory.nbytes)
        return made

    def _freed(self, nbytes):
        self.held -= nbytes


@pytest.fixture
def counting(monkeypatch):
    device = Counting()
    monkeypatch.setitem(choice._known, device.name, device)
    monkeypatch.setattr(network, "_waiting", [])
    with choice.device(device.name):
        yield device


def rows(n, features=40):
    x = np.random.default_rng(0).standard_normal((n, features)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int64)


@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_a_fit_holds_its_data_and_its_plan_and_lets_go_of_the_data(counting, estimator):
    x, y = rows(3000)
    fitted = estimator(hidden_layer_sizes=(20,), max_iter=3).fit(x, y)
    ((_, waiting),) = network._waiting
    order = 8 * len(x)
    data = x.nbytes + y.nbytes + order
    alignments = 50 * counting.align
    assert counting.peak <= data + waiting.bytes + alignments + CONTEXT
    gc.collect()
    assert counting.held <= waiting.bytes + alignments + CONTEXT
    assert ("trim", network.KEPT) in counting.record
    fitted.predict(x)
    assert counting.peak <= 2 * x.nbytes + waiting.bytes + order + alignments
    network._waiting.clear()
    del waiting, _
    gc.collect()
    assert counting.held == 0


def test_networks_that_wait_hold_no_more_than_their_share(counting, monkeypatch):
    x, y = rows(300)
    MLPClassifier((20,), max_iter=1).fit(x, y)
    ((_, first),) = network._waiting
    monkeypatch.setattr(network, "KEPT", 3 * first.bytes)
    for width in (21, 22, 23, 24, 25):
        MLPClassifier((width,), max_iter=1).fit(x, y)
    assert len(network._waiting) == 2
    assert sum(waiting.bytes for _, waiting in network._waiting) <= 3 * first.bytes
    MLPClassifier((4000,), max_iter=1).fit(x, y)
    assert network._waiting == []


def test_a_fit_that_fails_lets_go_of_all(counting):
    x, y = rows(300)
    with pytest.raises(ValueError, match="non-finite"):
        MLPRegressor(hidden_layer_sizes=(20,), solver="sgd", learning_rate_init=1e6, max_iter=30).fit(x, y)
    gc.collect()
    assert network._waiting == []
    assert counting.held == 0
