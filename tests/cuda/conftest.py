"""Helpers of other folders' tests are used here, too; and a GPU for all of gpubp, which is none."""

import sys
from pathlib import Path

import pytest
from emulation.device import EmulatedDevice

from gpubp.backend import choice

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))


@pytest.fixture
def gpu(monkeypatch):
    """An emulated device, on which everything runs."""
    device = EmulatedDevice()
    monkeypatch.setitem(choice._known, device.name, device)
    with choice.device(device.name):
        yield device
