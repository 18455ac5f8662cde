"""The device interface and its CPU side."""

import numpy as np
import pytest

import gpubp
from gpubp.backend import current_device
from gpubp.backend.device import Device


def test_the_cpu_is_there_and_chosen():
    assert gpubp.devices() == ["cpu"]
    with gpubp.device("cpu"):
        assert current_device().name == "cpu"
    gpubp.set_device("auto")
    assert current_device().name == "cpu"


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_device_that_is_not_there_says_what_to_do(name):
    with pytest.raises(RuntimeError, match=rf"'{name}' is not there.*set_device\('cpu'\)"):
        gpubp.set_device(name)


def test_an_unknown_name_lists_the_devices():
    with pytest.raises(ValueError, match=r"no device 'tpu'.*\['cpu'\]"):
        gpubp.set_device("tpu")


def test_the_cpu_implements_the_whole_interface():
    wanted = {name for name in vars(Device) if not name.startswith("_")} | set(Device.__annotations__)
    assert {"alloc", "upload", "download", "copy", "name", "align"} <= wanted
    assert [name for name in wanted if not hasattr(current_device(), name)] == []


@pytest.mark.parametrize("nbytes", [0, 1, 63, 64, 65, 1000])
def test_buffers_are_zero_aligned_and_at_least_a_byte(nbytes):
    device = current_device()
    buffer = device.alloc(nbytes)
    assert buffer.dtype == np.uint8
    assert buffer.nbytes == max(nbytes, 1)
    assert buffer.ctypes.data % device.align == 0
    assert not buffer.any()


def test_arrays_move_without_copies_where_none_is_needed():
    device, array = current_device(), np.arange(6.0).reshape(2, 3)
    assert device.upload(array) is array
    assert device.download(array) is array
    turned = device.upload(array.T)
    assert turned.flags.c_contiguous
    assert np.array_equal(turned, array.T)
    target = np.zeros((3, 2))
    device.copy(target, turned)
    assert np.array_equal(target, array.T)


def test_asnumpy_takes_what_numpy_takes():
    assert gpubp.asnumpy([1, 2]).tolist() == [1, 2]
    assert gpubp.get_array_module(np.ones(2)) is np
