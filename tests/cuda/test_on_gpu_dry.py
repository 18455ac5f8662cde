"""The tests that need a GPU, on the emulated device: so that none of them fails on one for reasons of its own."""

import pytest

from gpubp.backend import choice
from gpubp.doctor import on_gpu

from . import planted
from .emulation.build import EmulationError
from .emulation.device import EmulatedDevice
from .test_on_gpu import *  # noqa: F403

pytestmark = []


@pytest.fixture(autouse=True)
def gpu(monkeypatch):
    """An emulated device, under the name of the first GPU."""
    device = EmulatedDevice(narrow=True)
    for name in ("cuda:0", device.name):
        monkeypatch.setitem(choice._known, name, device)
    with choice.device("cuda"):
        yield device


@pytest.mark.parametrize("name", [name for name in on_gpu.TRIALS if name not in ("driver", "compiler", "library")])
def test_what_a_doctor_tries_works(name):
    assert on_gpu.TRIALS[name]()


def test_a_wrong_number_is_seen_by_the_doctor(monkeypatch, gpu):
    monkeypatch.setattr(gpu, "join", lambda: None)
    with pytest.raises((ArithmeticError, EmulationError)):
        on_gpu.two_queues()


def test_what_the_sanitizers_watch_runs():
    planted.main("gpu", "all")
