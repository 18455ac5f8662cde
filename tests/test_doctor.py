"""What doctor finds, what it advises, and what it says where something is missing or in the way."""

import json
import os
import re
import shlex
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import gpubp
from gpubp import cli, doctor
from gpubp.backend import threads
from gpubp.doctor import facts, gpu, on_gpu, training, warming
from gpubp.kernels.cpu import compile

RUNNER = CliRunner()


def run(*arguments, code=0):
    result = RUNNER.invoke(cli.app, ["doctor", *arguments])
    assert result.exit_code == code, result.output
    return result.stdout


def healthy(**changes):
    """The facts of a machine where nothing is amiss, but for what a test changes."""
    library = {"internal_api": "openblas", "version": "1", "num_threads": 8, "architecture": "Zen", "trains": True}
    return {
        "gpubp": "1.0",
        "python": {"version": "3.11", "executable": "python"},
        "platform": {"name": "somewhere", "machine": "x86_64"},
        "packages": dict.fromkeys((*facts.NEEDED, *facts.OPTIONAL), "1.0"),
        "processors": {"there": 8, "usable": 8, "quota": None},
        "blas": {"libraries": [library | {"filepath": "lib.so"}], "best_architecture": "Zen"},
        "environment": {},
        "cache": {"folder": "there", "temporary": False, "files": 0, "bytes": 0},
        "gpus": None,
        "cupy": None,
        "devices": ["cpu"],
    } | changes


def blas(**changes):
    """The facts about BLAS with a changed library."""
    (library,) = healthy()["blas"]["libraries"]
    return {"libraries": [library | changes], "best_architecture": "Zen"}


# The command


def test_doctor_trains_and_says_so():
    lines = run().splitlines()
    assert lines[0].split() == ["gpubp", gpubp.cli.metadata.version("gpubp")]
    assert any(re.match("training +works: a 2-4-2 net learned: .*40 steps", line) for line in lines)


def test_doctor_knows_versions_threads_and_the_cache():
    found = json.loads(run("--json"))
    assert found["packages"]["numpy"] == np.__version__
    assert found["python"] == {"version": sys.version.split()[0], "executable": sys.executable}
    assert found["devices"] == ["cpu"]
    assert found["training"]["works"] is True
    assert found["warm"] is None
    libraries = found["blas"]["libraries"]
    assert all(one["num_threads"] >= 1 and os.path.exists(one["filepath"]) for one in libraries)
    assert [one["trains"] for one in libraries].count(True) == 1
    assert 1 <= found["processors"]["usable"] <= found["processors"]["there"]
    assert found["environment"].items() <= os.environ.items()
    assert found["cache"]["bytes"] > 0
    assert not found["cache"]["temporary"]


def test_doctor_fails_where_training_does(monkeypatch):
    def broken():
        raise OSError("no kernels today")

    monkeypatch.setattr(training, "_train", broken)
    assert "training       fails: OSError: no kernels today" in run(code=1)
    found = json.loads(run("--json", "--warm", code=1))
    assert found["training"]["works"] is False
    assert found["warm"] is None


def test_a_missing_package_that_training_needs_is_a_failure(monkeypatch):
    monkeypatch.setattr(facts, "version", lambda package: None if package == "scipy" else "1.0")
    assert "pip install scipy" in run(code=1)


GPU = {"name": "H100", "driver": "570.1", "memory": 1, "compute_capability": "9.0"}


def test_what_fails_first_on_a_gpu_is_told(monkeypatch):
    monkeypatch.setattr(facts, "gpus", lambda: [GPU])
    monkeypatch.setattr(facts, "CUPY", ("numpy",))
    tried = [("driver", lambda: "it answers"), ("kernel", failing), ("device", failing), ("graph", lambda: "never")]
    monkeypatch.setattr(on_gpu, "TRIALS", dict(tried))
    monkeypatch.setattr(doctor, "trials", on_gpu.made)
    lines = [line for line in run(code=1).splitlines() if line.startswith("on the GPU")]
    assert re.match(r"on the GPU +driver works, \d+\.\d\d s: it answers$", lines[0])
    assert re.match(r"on the GPU +kernel FAILS, .* s: ArithmeticError: one of them is wrong$", lines[1])
    assert len(lines) == 3
    found = json.loads(run("--json", code=1))
    assert [one["works"] for one in found["on_gpu"]] == [True, False, False]


def failing():
    raise ArithmeticError("one of\nthem is wrong")


def test_where_its_process_ends_is_told(monkeypatch, tmp_path):
    """A trial may end its process."""
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\necho \'{"name": "driver", "works": true, "message": "", "seconds": 1}\'\nexit 9\n')
    program.chmod(0o755)
    monkeypatch.setattr(on_gpu.sys, "executable", str(program))
    first, second = on_gpu.trials()
    assert first["works"]
    assert second["name"] == "compiler"
    assert second["message"].startswith("its process ended with 9")


def test_trials_are_made_in_a_process_of_their_own():
    """Without CuPy or a GPU there is no device, and without a device nothing to try."""
    if gpubp.devices() != ["cpu"]:
        pytest.skip("there is a GPU here")
    found = list(on_gpu.trials())
    assert [one["name"] for one in found] == ["driver", "compiler", "library", "device"]
    assert "device 'cuda' is not there" in found[-1]["message"]


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    """A cache folder that no other process writes to, with nothing in it, and no kernels in memory."""
    monkeypatch.setenv("GPUBP_CACHE", str(tmp_path))
    monkeypatch.setattr(compile, "_ADDRESSES", {})
    compile.folder.cache_clear()
    yield
    compile.folder.cache_clear()


def small_net():
    model = gpubp.Sequential([gpubp.Input((4,)), gpubp.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_warm_counts_what_it_compiles(own_cache, monkeypatch):
    monkeypatch.setattr(training, "_train", lambda: "learned")
    monkeypatch.setattr(warming, "_usual", lambda: [(small_net(), 1)])
    first, again = (json.loads(run("--warm", "--json"))["warm"] for _ in range(2))
    assert first["compiled"] > 3
    assert again["compiled"] == 0
    assert any(re.match(r"kernels +0 compiled, \d+\.\d s", line) for line in run("--warm").splitlines())


class Asked(dict):
    """The kernels in memory, and which were asked for."""

    def __init__(self, known):
        super().__init__(known)
        self.bodies = set()

    def __contains__(self, body):
        self.bodies.add(body)
        return super().__contains__(body)


def test_after_warming_a_classifier_of_other_widths_finds_its_kernels(monkeypatch):
    warmed, needed = Asked(compile._ADDRESSES), Asked(compile._ADDRESSES)
    monkeypatch.setattr(compile, "_ADDRESSES", warmed)
    doctor.warm()
    monkeypatch.setattr(compile, "_ADDRESSES", needed)
    model = gpubp.Sequential([gpubp.Input((7,)), gpubp.layers.Dense(40, "tanh"), gpubp.layers.Dense(4, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(np.zeros((9, 7), np.float32), np.arange(9) % 4, verbose=0)
    assert len(needed.bodies) > 5
    assert needed.bodies <= warmed.bodies


# Advice


def test_where_all_is_well_there_is_no_advice():
    assert doctor.advice(healthy()) == []


@pytest.mark.parametrize(
    ("changes", "command", "needed"),
    [
        ({"packages": healthy()["packages"] | {"numba": None}}, "-m pip install numba", True),
        ({"packages": healthy()["packages"] | {"matplotlib": None}}, "-m pip install 'gpubp[plot]'", False),
        ({"cache": healthy()["cache"] | {"temporary": True}}, "export GPUBP_CACHE=FOLDER", False),
        (
            {"environment": {"OPENBLAS_CORETYPE": "Haswell"}, "blas": blas(architecture="Haswell")},
            "unset OPENBLAS_CORETYPE",
            False,
        ),
        (
            {"environment": {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}, "blas": blas(num_threads=1)},
            "unset OMP_NUM_THREADS; unset MKL_NUM_THREADS",
            False,
        ),
        ({"processors": {"there": 8, "usable": 8, "quota": 1.5}}, "export OMP_NUM_THREADS=2", False),
        ({"processors": {"there": 8, "usable": 3, "quota": 4.0}}, "export OMP_NUM_THREADS=3", False),
        ({"gpus": [GPU]}, "-m pip install 'cupy-cuda12x[ctk]'", False),
        ({"gpus": [GPU | {"driver": "580.65"}]}, "-m pip install 'cupy-cuda13x[ctk]'", False),
        ({"gpus": [GPU | {"driver": "470.1"}]}, "install version 525 or later", False),
    ],
)
def test_each_lack_has_the_command_that_mends_it(changes, command, needed, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    (one,) = doctor.advice(healthy(**changes))
    assert command in one.command
    assert one.needed is needed
    assert shlex.split(one.command)


def test_settings_that_do_no_harm_are_left_alone():
    same = {"environment": {"OPENBLAS_CORETYPE": "Zen", "OMP_NUM_THREADS": "8", "NUMBA_NUM_THREADS": "1"}}
    assert doctor.advice(healthy(**same)) == []
    assert doctor.advice(healthy(gpus=[GPU], cupy="14.0")) == []


def test_what_training_needs_comes_first():
    packages = healthy()["packages"] | {"numba": None, "matplotlib": None}
    found = doctor.advice(healthy(packages=packages, gpus=[GPU]))
    assert [one.needed for one in found] == [True, False, False]


def test_the_report_says_what_is_missing_or_limited():
    packages = healthy()["packages"] | {"numba": None}
    processors = {"there": 8, "usable": 4, "quota": 1.5}
    gpus = [GPU | {"memory": 80 * 2**30}, GPU | {"memory": None, "compute_capability": None}]
    text = "\n".join(doctor.lines(healthy(packages=packages, processors=processors, gpus=gpus)))
    assert "numba missing" in text
    assert "8, of which this process may use 4, a quota of 1.5" in text
    assert "H100, 86 GB, compute capability 9.0, driver 570.1" in text
    assert "GPU            H100, driver 570.1" in text


# Where facts come from


def test_the_driver_is_asked_where_there_is_one(tmp_path, monkeypatch):
    """Old drivers refuse the question about compute capabilities."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu.gpus() is None
    tool = tmp_path / "nvidia-smi"
    new = "echo 'NVIDIA H100, 570.1, 81559, 9.0'; echo 'GB10, 580.95, [N/A], 12.1'"
    old = "case $1 in *compute_cap*) exit 2;; esac; echo 'Tesla K80, 450.80, 11441'"
    expected = {
        new: [
            {"name": "NVIDIA H100", "driver": "570.1", "memory": 81559 * 2**20, "compute_capability": "9.0"},
            {"name": "GB10", "driver": "580.95", "memory": None, "compute_capability": "12.1"},
        ],
        old: [{"name": "Tesla K80", "driver": "450.80", "memory": 11441 * 2**20, "compute_capability": None}],
        "exit 9": None,
        "echo nonsense": None,
    }
    for script, answer in expected.items():
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        assert gpu.gpus() == answer


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({}, None),
    ],
)
def test_quotas_of_both_versions_of_cgroups(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.quota(tmp_path) == expected


def test_affinity_counts(monkeypatch):
    if hasattr(os, "sched_getaffinity"):
        assert threads.processors() == len(os.sched_getaffinity(0))
        monkeypatch.delattr(os, "sched_getaffinity")
    assert threads.processors() == os.cpu_count()


def test_the_best_architecture_is_asked_without_the_setting(monkeypatch):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    libraries = [{"architecture": None}, {"architecture": "Zen"}]
    assert facts.best_architecture(libraries) == "Zen"
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    by_itself = facts.best_architecture([{"architecture": "Prescott"}])
    assert by_itself
    assert by_itself != "Prescott"


def test_threads_are_those_of_the_products():
    import threadpoolctl

    for n in (1, 2):
        with threadpoolctl.threadpool_limits(n, user_api="blas"):
            expected = min(n, threads.processors())
            assert gpubp.backend.current_device().setting == f"cpu, threads: {expected}"
