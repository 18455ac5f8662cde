"""The benchmark for GPUs, as far as there is none: it says so, and still writes what it has."""

import json
import os
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

import gpubp
from gpubp.backend import choice
from gpubp.bench.case import Case
from gpubp.bench.contenders.base import UnableError
from gpubp.bench.contenders.own import Gpubp
from gpubp.bench.problems import random_problem
from gpubp.engine.executors import cuda
from gpubp.training import feeds

from .cuda.emulation.device import EmulatedDevice

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import gpu
import gpu_ceilings
import gpu_contenders

FIRST = gpu.CASES[0].name


def test_without_a_gpu_each_cell_says_why(tmp_path, capsys):
    file = tmp_path / "gpu.json"
    if gpu.gpu() is not None:
        pytest.skip("there is a GPU here")
    arguments = ["--json", str(file), "--precisions", "float32", "--cases", FIRST, "--contenders", "JAX lax.scan"]
    assert gpu.main(arguments) == 1
    report = json.loads(file.read_text())
    assert "device 'cuda' is not there" in report["ceilings"]["missing"]
    assert [cell["contender"] for cell in report["cells"]] == ["gpubp", "JAX lax.scan"]
    assert "device 'cuda' is not there" in report["cells"][0]["missing"]
    assert f"{FIRST}, float32" in capsys.readouterr().out


def test_a_case_that_is_not_there_is_an_error(capsys):
    with pytest.raises(SystemExit):
        gpu.main(["--cases", "1-1, 1"])
    assert FIRST in capsys.readouterr().err


def test_who_hangs_is_ended_with_all_that_it_began(tmp_path, monkeypatch):
    """A child that outlives its parent would hold a pipe open, and the GPU busy."""
    monkeypatch.setattr(gpu, "HERE", tmp_path)
    begins = "import subprocess, time; child = subprocess.Popen(['sleep', '60'])"
    tells = f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))"
    (tmp_path / "hangs.py").write_text(f"{begins}\n{tells}\ntime.sleep(60)")
    (tmp_path / "dies.py").write_text("import os; os.abort()")
    (tmp_path / "answers.py").write_text("import sys; print('warned', file=sys.stderr); print(); print('{\"a\": 1}')")
    assert gpu.answer("hangs.py", patience=6) == {"missing": "took more than 6 s"}
    child = Path("/proc", (tmp_path / "child").read_text(), "status")
    until = time.monotonic() + 60
    while child.exists() and "zombie" not in child.read_text():
        assert time.monotonic() < until
        time.sleep(0.1)
    assert "ended with -6" in gpu.answer("dies.py")["missing"]
    assert gpu.answer("answers.py") == {"a": 1, "log": "warned"}


def test_contenders_that_are_named_are_measured_in_each_case(monkeypatch):
    found = []
    monkeypatch.setattr(gpu.Run, "ceilings", lambda run: None)
    monkeypatch.setattr(gpu.Run, "cells", lambda run, cells: found.extend(cells))
    gpu.main(["--contenders", "PyTorch captured, 32", "--precisions", "tf32", "--cases", FIRST])
    assert found == [("tf32", gpu.CASES[0], name) for name in ("gpubp", "PyTorch captured, 32")]


def test_time_that_is_up_ends_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(gpu, "answer", lambda *given, **options: {"missing": "asleep"})
    run = gpu.Run(tmp_path / "gpu.json", budget=1)
    run.cells(gpu.plan(False, ["float32"])[:3])
    assert "no time is left for 3 of 3 cells" in capsys.readouterr().out


def test_the_most_telling_cells_come_first_and_none_twice():
    cells = gpu.plan(True, list(gpu.PRECISIONS))
    assert len(set(cells)) == len(cells)
    assert cells[0] == (gpu.PRECISIONS[0], gpu.CASES[0], "gpubp")
    first = {}
    for precision, case, name in cells:
        assert first.setdefault((precision, case), name) == "gpubp"
    short = gpu.plan(False, list(gpu.PRECISIONS))
    assert set(short) < set(cells)


def test_operations_of_a_step_are_those_of_its_products():
    assert gpu.flops(Case((3, 5, 2), batch=7, steps=1)) == 2 * 7 * (2 * 3 * 5 + 3 * 5 * 2)


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
    for name in ("XLA_FLAGS", "CUPY_TF32"):  # which contenders set
        monkeypatch.setenv(name, os.environ.get(name, ""))
    for name, least in {"WARM": 0, "SECONDS": 0, "SAMPLES": 1}.items():
        monkeypatch.setattr(gpu_contenders, name, least)
    monkeypatch.setattr(gpu, "answer", in_this_process)
    tiny = Case((8, 6, 3), batch=8, steps=8)
    monkeypatch.setattr(gpu, "CASES", [tiny] * 3)
    monkeypatch.setattr(gpu, "LARGER_THAN_MEMORY", [tiny] * 2)
    monkeypatch.setattr(
        gpu, "GRID", [replace(tiny, mse=True), replace(tiny, optimizer="sgd"), replace(tiny, dropout=0.3)]
    )
    before = gpubp.config.dtype_policy()
    yield device
    gpubp.config.set_dtype_policy(before)


def in_this_process(script, *arguments, said="", patience=0):
    """What a script of the bench answers."""
    if script == "gpu_ceilings.py":
        return gpu_ceilings.ceilings(side=16)
    return gpu_contenders.answer(*arguments, json.loads(said))


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
    ceilings = json.loads(file.read_text())["ceilings"]
    assert {"copy", "bfloat16 product", "kernel"} <= ceilings.keys()
    assert all(rate > 0 for rate in ceilings.values())
    assert "8-6-3, 8, MSE, float32" in capsys.readouterr().out


def test_each_case_fits_who_is_measured_in_it():
    """Whole graphs of steps, and less than what a GPU of 80 GB holds."""
    for _, case, name in gpu.plan(True, ["float32"]):
        if "captured" in name:
            assert case.steps % (32 if "32" in name else gpu_contenders.CAPTURED) == 0
        assert case.rows * (case.widths[0] + case.widths[-1] * case.mse) * 4 < 8e9


@pytest.mark.parametrize(("loss", "expected"), [(1.0, False), (1.01, True), (float("nan"), True), (None, False)])
def test_other_work_is_seen(loss, expected):
    assert gpu.disagrees({"loss": loss}, {"loss": 1.0}, "float32") is expected


# Other libraries' contenders, as far as they are no matter of the GPU

SMALL = Case((8, 6, 3), batch=8, steps=32)
BY_TORCH = [name for name in gpu_contenders.CONTENDERS | gpu_contenders.PARTS if "PyTorch" in name]


@pytest.fixture
def torch_without_a_gpu(monkeypatch):
    """PyTorch computes on the CPU; nothing is compiled, and to replay a graph is to run its steps."""
    torch = pytest.importorskip("torch")
    import gpu_torch

    class Stream:
        def wait_stream(self, other):
            pass

    def tune(contender, tune=gpu_torch.Captured.tune):
        tune(contender)
        contender.graph.replay = lambda: [contender._step(k) for k in range(contender.steps)]

    monkeypatch.setattr(gpu_torch.OnGPU, "device", "cpu")
    monkeypatch.setattr(gpu_torch.Captured, "tune", tune)
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    for name, stand_in in {
        "Stream": Stream,
        "CUDAGraph": Stream,
        "stream": nullcontext,
        "graph": nullcontext,
        "current_stream": Stream,
        "synchronize": lambda: None,
    }.items():
        monkeypatch.setattr(torch.cuda, name, stand_in)


@pytest.fixture
def jax_without_a_gpu(monkeypatch):
    jax = pytest.importorskip("jax")
    import gpu_jax

    monkeypatch.setattr(gpu_jax.Scan, "platform", jax.default_backend())
    yield
    jax.config.update("jax_default_matmul_precision", None)


def contender_of(name, case, precision):
    return (gpu_contenders.CONTENDERS | gpu_contenders.PARTS)[name](case, random_problem(case), precision)


def same_work(contender, case, precision):
    """Whether gpubp's loss comes out, in an epoch and in a second one from the beginning again."""
    losses = [(contender.reset(), contender.epoch())[1] for _ in range(2)]
    assert losses[0] == losses[1]
    own = Gpubp(case, random_problem(case))
    own.reset()
    return not gpu.disagrees({"loss": losses[0]}, {"loss": own.epoch()}, precision)


@pytest.mark.filterwarnings("default")  # what PyTorch warns of is its own
@pytest.mark.parametrize("case", [SMALL, replace(SMALL, mse=True), replace(SMALL, optimizer="sgd", batch_norm=True)])
@pytest.mark.parametrize("name", BY_TORCH)
def test_pytorch_does_the_same_work(torch_without_a_gpu, name, case):
    """But where all is kept in bfloat16, which is other work."""
    for precision in ("mixed_bfloat16",) if "all in" in name else ("float32", "tf32", "mixed_bfloat16"):
        contender = contender_of(name, case, precision)
        contender.tune()
        assert same_work(contender, case, precision) or "all in" in name


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("case", [SMALL, replace(SMALL, mse=True)])
def test_jax_does_the_same_work(jax_without_a_gpu, case):
    for precision in ("tf32", "mixed_bfloat16"):
        assert same_work(contender_of("JAX lax.scan", case, precision), case, precision)


def test_who_can_not_do_a_case_says_so(torch_without_a_gpu):
    for name, precision, steps in (("PyTorch, all in bfloat16", "tf32", 32), ("PyTorch captured, 32", "tf32", 8)):
        with pytest.raises(UnableError):
            contender_of(name, replace(SMALL, steps=steps), precision)
