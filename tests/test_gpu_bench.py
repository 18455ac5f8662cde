"""The benchmark for GPUs, as far as there is none: it says so, and still writes what it has."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

import gpubp
from gpubp.backend import choice
from gpubp.bench.case import Case
from gpubp.engine.executors import cuda
from gpubp.training import feeds

from .cuda.emulation.device import EmulatedDevice

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import gpu
import gpu_contenders


def test_without_a_gpu_each_cell_says_why(tmp_path, capsys):
    file = tmp_path / "gpu.json"
    if gpu.gpu() is not None:
        pytest.skip("there is a GPU here")
    arguments = ["--json", str(file), "--precisions", "float32", "--cases", "1", "--contenders", "JAX lax.scan"]
    assert gpu.main(arguments) == 1
    report = json.loads(file.read_text())
    assert [cell["contender"] for cell in report["cells"]] == ["gpubp", "JAX lax.scan"]
    assert "device 'cuda' is not there" in report["cells"][0]["missing"]
    assert "784-512-512-10, 128, float32" in capsys.readouterr().out


def test_every_precision_is_a_policy_with_a_tolerance():
    from gpubp.config import DTypePolicy

    assert gpu.TOLERANCE.keys() == set(gpu.PRECISIONS) == {DTypePolicy(name).name for name in gpu.PRECISIONS}


@pytest.fixture
def emulated(monkeypatch):
    """The bench's cells in this process, on an emulated device, tiny; all that contenders change is as before after."""
    device = EmulatedDevice(narrow=True)
    for name in ("cuda:0", device.name):
        monkeypatch.setitem(choice._known, name, device)
    monkeypatch.setattr(choice, "_chosen", choice._chosen)
    for owner, names in CHANGED.items():
        for name in names:
            monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(gpu_contenders, "SECONDS", 0)
    monkeypatch.setattr(gpu_contenders, "SAMPLES", 1)
    monkeypatch.setattr(
        gpu,
        "cell",
        lambda name, case, precision: gpu_contenders.answer(
            name, json.loads(json.dumps({**asdict(case), "precision": precision}))
        ),
    )
    tiny = Case((8, 6, 3), batch=8, steps=8)
    monkeypatch.setattr(gpu, "CASES", [tiny] * 3)
    monkeypatch.setattr(gpu, "LARGER_THAN_MEMORY", [tiny] * 2)
    monkeypatch.setattr(
        gpu, "GRID", [replace(tiny, mse=True), replace(tiny, optimizer="sgd"), replace(tiny, dropout=0.3)]
    )
    before = gpubp.config.dtype_policy()
    yield device
    gpubp.config.set_dtype_policy(before)


CHANGED = {feeds: ["SHARE"], cuda: ["graph_size", "branched"], cuda.CUDA: ["_queue"]}


def test_the_whole_grid_runs_as_far_as_it_is_gpubps_own(emulated, tmp_path, capsys):
    file = tmp_path / "gpu.json"
    status = gpu.main(["--full", "--json", str(file), "--precisions", "float32"])
    cells = json.loads(file.read_text())["cells"]
    own = [cell for cell in cells if cell["contender"].startswith("gpubp") or cell["contender"] == "products"]
    assert [(cell["contender"], cell.get("missing")) for cell in own if "missing" in cell] == []
    assert {cell["contender"] for cell in cells} == {*gpu_contenders.CONTENDERS, *gpu_contenders.PARTS}
    assert [cell["contender"] for cell in own if cell["disagrees"]] == []
    assert status == 0
    assert any(asked[0] == "send" for asked in emulated.record)
    text = capsys.readouterr().out
    assert "8-6-3, 8, MSE, float32" in text


def test_each_case_fits_who_is_measured_in_it():
    """Whole graphs of steps, and less than what a GPU of 80 GB holds."""
    for case, names in gpu.plan(True, None, None):
        sizes = [32 if "32" in name else gpu_contenders.CAPTURED for name in names if "captured" in name]
        assert all(case.steps % steps == 0 for steps in sizes)
        assert case.rows * (case.widths[0] + case.widths[-1] * case.mse) * 4 < 8e9


@pytest.mark.parametrize(("loss", "expected"), [(1.0, False), (1.01, True), (float("nan"), True), (None, False)])
def test_other_work_is_seen(loss, expected):
    assert gpu.disagrees({"loss": loss}, {"loss": 1.0}, "float32") is expected
