"""The benchmark measures what it says: contenders that do the same work, and one that does not is caught."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

import contenders
import throughput

TINY = contenders.Case((3, 5, 4), batch=8, steps=16)


@pytest.fixture(scope="module")
def loss():
    """What gpubp's epoch gives."""
    return contenders.sample(contenders.Gpubp(TINY))["loss"]


@pytest.mark.parametrize("name", ["gpubp", "JAX", "PyTorch", "scikit-learn"])
def test_contenders_have_the_same_loss_after_the_same_updates(name, loss):
    with throughput.Process(name, TINY) as process:
        if "missing" in process.start:
            pytest.skip(process.start["missing"])
        first, again = process.ask("epoch"), process.ask("epoch")
    assert first["loss"] == again["loss"]  # each sample begins anew
    assert first["loss"] == pytest.approx(loss, rel=1e-5)
    assert first["processor"] > 0
    assert first["seconds"] > 0


def test_a_contender_that_is_not_installed_is_left_out_and_named(tmp_path, monkeypatch):
    (tmp_path / "jax.py").write_text("raise ImportError('no JAX here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    results, missing = throughput.measure(TINY, ["gpubp", "JAX"], budget=0.01)
    assert list(results) == ["gpubp"]
    assert missing == {"JAX": "no JAX here"}


def test_the_floor_consists_of_the_products_alone():
    floor = contenders.Products(TINY)
    floor.reset()
    before = floor.model.get_weights()
    floor.epoch()
    assert all((a == b).all() for a, b in zip(before, floor.model.get_weights(), strict=True))
    codes = [i for part in floor.executor.program.parts for i in part.code]
    assert [i.op.name for i in codes] == ["matmul"] * 5


def test_a_contender_with_another_loss_is_named():
    def timed(loss):
        return throughput.Timed("", {}, [1.0], [1.0], loss)

    results = {"gpubp": timed(0.5), "close": timed(0.5001), "far": timed(0.51), "silent": timed(None)}
    results["broken"] = timed(float("nan"))
    assert throughput.disagreeing(results) == ["far", "broken"]


def test_ratios_are_of_the_same_round():
    a, b = (throughput.Timed("", {}, seconds) for seconds in ([1.0, 10.0, 3.0], [2.0, 20.0, 3.0]))
    assert throughput.ratio(a, b) == 0.5


def test_contenders_run_with_one_thread_and_kernels_of_their_own_choice(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    environment = throughput.environment()
    assert "OPENBLAS_CORETYPE" not in environment
    assert environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == "1"


def test_from_the_command_line_to_json(tmp_path, capsys):
    file = tmp_path / "results.json"
    arguments = ["--cases", "2-4-2", "--contenders", "products", "--budget", "0.01", "--json", str(file)]
    assert throughput.main(arguments) == 0
    assert "2-4-2, batch 4" in capsys.readouterr().out
    report = json.loads(file.read_text())
    (case,) = report["cases"]
    assert len(case["contenders"]["gpubp"]["seconds"]) == len(case["contenders"]["products"]["seconds"]) == 5
    assert min(case["contenders"]["gpubp"]["seconds"]) > 0
    assert {"date", "machine"} < report.keys()
