"""The tests that need a GPU, on the emulated device: so that none of them fails on one for reasons of its own."""

import pytest

from gpubp.backend import choice

from . import planted
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


def test_what_the_sanitizers_watch_runs():
    planted.main("gpu", "all")
