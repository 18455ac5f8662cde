"""Processes of contenders: what they are told and answer, what they import, how cells are measured with them."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import gpubp.bench
from gpubp.bench import families, measuring
from gpubp.bench.contenders import CONTENDERS
from gpubp.bench.measuring import measure
from gpubp.bench.process import environment

from .problems import TINY, cell


def test_contenders_run_with_the_threads_given_and_kernels_of_their_own_choice(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    found = environment(threads=2)
    assert not {"OPENBLAS_CORETYPE", "PYTHONDONTWRITEBYTECODE"} & set(found)
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "2"
    assert "intra_op_parallelism_threads=2" in found["XLA_FLAGS"]


def test_others_do_not_import_gpubp():
    launch = Path(gpubp.bench.__file__).with_name("launch.py")
    code = f"""
import runpy, sys
load = runpy.run_path({str(launch)!r})["load"]
load()
from bench.contenders import find
from bench import worker
find("NumPy")
print([name for name in sys.modules if name.split(".")[0] in ("gpubp", "numba", "scipy")])
"""
    run = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_steps_are_measured_in_turns():
    results, missing = measure(cell(contenders=("gpubp", "NumPy"), seconds=0.01))
    assert missing == {}
    assert [len(r.samples["seconds"]) for r in results.values()] == [3, 3]
    assert min(min(r.samples[clock]) for r in results.values() for clock in ("seconds", "processor")) > 0
    assert results["NumPy"].loss == pytest.approx(results["gpubp"].loss, rel=1e-5)
    assert results["gpubp"].versions.keys() == {"gpubp", "numpy", "numba", "scipy"}


def test_predictions_have_the_same_loss():
    options = {"rows": 5, "calls": 3}
    results, _ = measure(cell(task="predict", contenders=("gpubp predict_on_batch", "NumPy"), options=options))
    assert results["gpubp predict_on_batch"].loss == pytest.approx(results["NumPy"].loss)


def test_a_contender_that_is_not_installed_or_not_able_is_left_out_and_named(tmp_path, monkeypatch):
    (tmp_path / "jax.py").write_text("raise ImportError('no JAX here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    case = replace(TINY, dropout=0.5)
    results, missing = measure(cell(case=case, contenders=("gpubp", "JAX jit", "NumPy"), seconds=0.01))
    assert list(results) == ["gpubp"]
    assert missing["JAX jit"] == "no JAX here"
    assert "no dropout" in missing["NumPy"]


def test_a_contender_that_dies_is_named(tmp_path, monkeypatch, capfd):
    (tmp_path / "jax.py").write_text("raise ValueError('broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="JAX jit at step of 3-5-4, 8 has ended"):
        measure(cell(contenders=("JAX jit",)))
    assert "ValueError: broken" in capfd.readouterr().err


def test_a_fit_ends_at_the_score_and_has_no_seconds_if_it_is_not_reached():
    options = {"epochs": 40, "target": 0.8}
    case = replace(families.DIGITS_EPOCH, steps=44)
    fit = cell(family="fit", task="fit", case=case, dataset="digits", contenders=("NumPy",), options=options)
    reached = measure(fit)[0]["NumPy"]
    curve = reached.details["curve"]
    assert [score >= 0.8 for _, score in curve] == [False] * (len(curve) - 1) + [True]
    assert reached.samples["seconds"] == [curve[-1][0]]
    failed = measure(replace(fit, options={"epochs": 1, "target": 1.0}))[0]["NumPy"]
    assert failed.samples == {}
    assert len(failed.details["curve"]) == 1


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured where /proc tells of it")
def test_whole_processes_tell_seconds_and_memory():
    large = replace(TINY, widths=(3, 2000, 2000, 4))
    results, _ = measure(cell(task="stages", case=large, contenders=("NumPy",), repeats=2))
    samples = results["NumPy"].samples
    assert {len(values) for values in samples.values()} == {2}  # the first, which warms caches, does not count
    assert 0 < samples["import_seconds"][0] < samples["first_epoch_seconds"][0]
    weights = 4 * (3 * 2000 + 2000 * 2000 + 2000 * 4)
    assert samples["training_bytes"][0] > 3 * weights  # a copy of them and two moments
    assert samples["process_bytes"][0] > samples["training_bytes"][0]


def test_cold_caches_are_empty_and_go(monkeypatch):
    seen = []

    def popen(*arguments, env, **options):
        seen.append(Path(env["GPUBP_CACHE"]))
        assert list(seen[-1].iterdir()) == []
        return subprocess_popen(*arguments, env=env, **options)

    subprocess_popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", popen)
    measure(cell(task="stages", contenders=("NumPy",), repeats=2, cold=True))
    assert len(set(seen)) == 2  # none went before
    assert not any(folder.exists() for folder in seen)


def test_the_clock_can_stand_still(monkeypatch):
    times = iter([10.0, 11.0, 50.0, 52.0])
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: next(times))
    clock = measuring.Pausable()
    assert clock.pause() == 1.0
    clock.during(dict)
    assert clock.spent == 3.0


def test_instructions_are_explained():
    (result,) = measure(cell(task="instructions", contenders=("gpubp",)))[0].values()
    explanation = json.loads(json.dumps(result.details["explanation"]))
    assert explanation["step_seconds"] > 0
    assert {"flops", "bytes", "seconds", "floor", "share"} < explanation["instructions"][0].keys()


def test_installed_files_are_counted_with_what_is_required():
    results, _ = measure(cell(task="size", contenders=()))
    packages = results["gpubp"].details["packages"]
    assert {"numpy", "scipy", "numba", "llvmlite", "safetensors"} < packages.keys()
    assert "matplotlib" not in packages  # an extra
    assert results["gpubp"].samples["bytes"] == [sum(packages.values())]
    assert packages["llvmlite"] > 10e6


def test_all_cells_name_known_contenders():
    found = families.cells([1, 2])
    assert {name for c in found for name in c.contenders} <= set(CONTENDERS)
    assert len({(c.family, c.name, c.threads) for c in found}) == len(found)
    assert [c.value for c in found] == sorted((c.value for c in found), reverse=True)
