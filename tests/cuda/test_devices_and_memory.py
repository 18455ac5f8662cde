"""Which device is chosen, what is said where there is none, and what where its memory is too small."""

import logging

import numpy as np
import pytest

import gpubp
from gpubp.backend import choice
from gpubp.backend.device import Accelerator, Device, Gemm

from .emulation.build import EmulationError
from .emulation.device import EmulatedDevice
from .test_training import LABELS, X, classifier


@pytest.fixture
def alone(monkeypatch):
    """No device has been asked for yet."""
    monkeypatch.setattr(choice, "_known", {"cpu": choice._CPU})
    monkeypatch.setattr(choice, "_chosen", "auto")


def test_without_cupy_the_cpu_computes(alone, monkeypatch, caplog):
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    with caplog.at_level(logging.DEBUG, "gpubp"):
        assert choice.current_device().name == "cpu"
        assert choice.current_device().name == "cpu"
    (line,) = caplog.messages
    assert line.startswith("computing on the CPU: ")
    assert "pip install 'gpubp[cuda13]'" in line


def test_a_driver_that_fails_is_worth_a_warning(alone, monkeypatch, caplog):
    monkeypatch.setattr(choice, "find_spec", lambda name: True)

    def fails(name):
        raise choice._missing(name, "CuPy finds no GPU that works")

    monkeypatch.setattr(choice, "_gpus", fails)
    assert choice.current_device().name == "cpu"
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    with pytest.raises(RuntimeError, match=r"'cuda:1' is not there: CuPy finds.*set_device\('cpu'\)"):
        gpubp.set_device("cuda:1")
    assert choice.current_device().name == "cpu"


def test_a_gpu_that_is_there_is_chosen(alone, monkeypatch):
    device = EmulatedDevice()
    monkeypatch.setitem(choice._known, "cuda:0", device)
    monkeypatch.setattr(choice, "_gpus", lambda name: 2)
    assert choice.current_device() is device
    assert gpubp.devices() == ["cpu", "cuda:0", "cuda:1"]
    gpubp.set_device("cpu")
    assert choice.current_device().name == "cpu"
    with gpubp.device("cuda"):
        assert choice.current_device() is device
    assert choice.current_device().name == "cpu"
    with pytest.raises(RuntimeError, match=r"'cuda:5' is not there: this machine has 2 of them"):
        gpubp.set_device("cuda:5")


@pytest.mark.parametrize("name", ["cuda:", "cuda:x", "gpu", "CUDA"])
def test_other_names_are_refused(alone, name):
    with pytest.raises(ValueError, match="there is no device"):
        gpubp.set_device(name)


def test_the_emulated_device_implements_the_whole_interface():
    wanted = {n for kind in (Device, Accelerator) for n in vars(kind) if not n.startswith("_")} | {"name", "align"}
    assert {"launch", "gemm", "capture", "replay", "branch", "join", "setting"} <= wanted
    assert [name for name in wanted if not hasattr(EmulatedDevice(), name)] == []


def test_cuda_implements_the_whole_interface():
    from gpubp.backend.cuda import CUDADevice

    wanted = {n for kind in (Device, Accelerator) for n in vars(kind) if not n.startswith("_")}
    assert [name for name in wanted if not hasattr(CUDADevice, name)] == []


def test_a_program_that_does_not_fit_names_what_is_large_and_what_would_fit(monkeypatch):
    device = EmulatedDevice(capacity=200_000)
    monkeypatch.setitem(choice._known, device.name, device)
    x, labels = np.tile(X, (40, 1)), np.tile(LABELS, 40)
    with choice.device(device.name):
        model = classifier()
        with pytest.raises(
            MemoryError, match=r"batches of 2800 rows needs .* kB on cuda:\d+, where .* are free"
        ) as caught:
            model.fit(x, labels, batch_size=2800, verbose=0)
        message = str(caught.value)
        assert "rowsx33 of 'dense" in message
        fitting = int(message.split("a batch of ")[1].split(" rows")[0])
        assert 100 < fitting < 2800
        model.fit(X, LABELS, batch_size=32, verbose=0)


def array(n, dtype=np.float32):
    return EmulatedDevice().upload(np.zeros(n, dtype))


class TestWhatTheEmulatedDeviceRefuses:
    """As CUDA and CuPy do, or worse, do not."""

    SOURCE = """
    #define u32 unsigned
    extern "C" __global__ void __launch_bounds__(256, 2) k(float* a0, i64 n) { a0[0] = n; }
    """

    @pytest.fixture
    def device(self):
        return EmulatedDevice()

    @pytest.fixture
    def kernel(self, device):
        source = "typedef long long i64;\n" + self.SOURCE
        return device.load(source, ["k"])["k"]

    def launch(self, device, kernel, *arguments, grid=(1, 1, 1), block=(32, 1, 1), shared=0):
        device.launch(kernel, grid, block, list(arguments), shared)

    def test_a_right_launch_runs(self, device, kernel):
        a = array(4)
        self.launch(device, kernel, a, 7)
        assert device.download(a)[0] == 7

    @pytest.mark.parametrize(
        "arguments",
        [
            lambda: (np.zeros(4, np.float32), 1),
            lambda: (array(4, np.float64), 1),
            lambda: (array(4), 1.0),
            lambda: (array(4),),
            lambda: (array(4), array(4)),
            lambda: (array(9, np.uint8)[1:].view(np.float32), 1),
        ],
        ids=["host memory", "another dtype", "a float", "too few", "an array", "misaligned"],
    )
    def test_wrong_arguments(self, device, kernel, arguments):
        with pytest.raises(EmulationError):
            self.launch(device, kernel, *arguments())

    @pytest.mark.parametrize(
        "shape", [{"block": (2048, 1, 1)}, {"grid": (1, 70000, 1)}, {"grid": (0, 1, 1)}, {"shared": 250000}]
    )
    def test_launches_that_no_device_takes(self, device, kernel, shape):
        with pytest.raises(EmulationError):
            self.launch(device, kernel, array(4), 1, **shape)

    @pytest.mark.parametrize("what", ["alloc", "upload", "download", "copy", "synchronise"])
    def test_in_a_capture(self, device, what):
        a = device.upload(np.zeros(4, np.float32))
        forbidden = {
            "alloc": lambda: device.alloc(4),
            "upload": lambda: device.upload(np.zeros(4)),
            "download": lambda: device.download(a),
            "copy": lambda: device.copy(a, 1.0),
            "synchronise": device.synchronise,
        }
        with pytest.raises(EmulationError, match="while a graph is captured"), device.capture():
            forbidden[what]()

    def test_what_is_captured_runs_when_it_is_replayed(self, device, kernel):
        a = device.upload(np.zeros(4, np.float32))
        with device.capture() as graph:
            self.launch(device, kernel, a, 7)
        assert device.download(a)[0] == 0
        device.replay(graph)
        assert device.download(a)[0] == 7

    def test_a_branch_that_is_not_joined(self, device):
        with pytest.raises(EmulationError, match="not joined"), device.capture(), device.branch():
            pass

    def test_products_of_integers_and_matrices_that_do_not_fit(self, device):
        a = device.upload(np.zeros(4, np.int64))
        with pytest.raises(EmulationError, match="no product of int64"):
            device.gemm(a, a, a, Gemm(2, 2, 2, 2, 2, 2))
        a = device.upload(np.zeros(4, np.float32))
        with pytest.raises(EmulationError, match="does not fit"):
            device.gemm(a, a, a, Gemm(2, 2, 3, 3, 2, 2))

    def test_conversion_to_numpy(self, device):
        with pytest.raises(TypeError, match="Implicit conversion"):
            np.asarray(device.upload(np.zeros(4)))
