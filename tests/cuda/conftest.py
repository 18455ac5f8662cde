"""A GPU for all of gpubp, which is none; and a watch over the tests that need one."""

import pytest

from gpubp.backend import choice

from .emulation.device import EmulatedDevice
from .watch import pytest_configure, pytest_runtest_protocol  # noqa: F401


@pytest.fixture
def gpu(monkeypatch):
    """An emulated device, on which everything runs."""
    device = EmulatedDevice()
    monkeypatch.setitem(choice._known, device.name, device)
    with choice.device(device.name):
        yield device
