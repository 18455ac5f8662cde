"""The benchmark for GPUs, as far as there is none: it says so, and still writes what it has."""

import json
import sys
from pathlib import Path

import pytest

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


def test_all_steps_fit_into_captured_graphs():
    assert all(case.steps % gpu_contenders.CAPTURED == 0 for case in gpu.CASES)


@pytest.mark.parametrize(("loss", "expected"), [(1.0, False), (1.01, True), (float("nan"), True), (None, False)])
def test_other_work_is_seen(loss, expected):
    assert gpu.disagrees({"loss": loss}, {"loss": 1.0}, "float32") is expected
