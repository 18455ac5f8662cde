"""A GPU for all of gpubp, which is none."""

import pytest

from gpubp.backend import choice

from .emulation.device import EmulatedDevice


@pytest.fixture
def gpu(monkeypatch):
    """An emulated device, on which everything runs."""
    device = EmulatedDevice()
    monkeypatch.setitem(choice._known, device.name, device)
    with choice.device(device.name):
        yield device
