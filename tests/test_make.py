"""What `make` would run, as far as it depends on the machine."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gpubp.doctor.gpu import cupy_package

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make here")


def planned(folder: Path, target: str, *settings: str) -> str:
    """The commands of a target, none of which is run; commands that stand in `folder` come first."""
    command = ["make", "-n", "-C", str(ROOT), target, f"VENV={folder}/environment", *settings]
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(command, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=True).stdout


def answering(folder: Path, script: str):
    """Puts an `nvidia-smi` there that does nothing but this."""
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)


@pytest.mark.parametrize("driver", ["610.10", "580.159.03", "580", "579.99.1", "525.60.13", "524.9", "470.256.02"])
def test_the_demo_installs_what_the_driver_can_do_with(tmp_path, driver):
    answering(tmp_path, f"echo {driver}; echo 999.1")  # of several GPUs the first is asked
    text = planned(tmp_path, "demo")
    package = cupy_package(driver)
    extra = package and package.removeprefix("cupy-").removesuffix("x")
    assert f"'.[plot{f',{extra}' if extra else ''}]'" in text
    assert (f"CuPy is installed with the extra {extra}" if extra else "training on the CPU") in text
    assert "gpubp train mnist" in text


@pytest.mark.parametrize("script", ["echo 'NVIDIA-SMI has failed'; exit 9", "exit 127", "echo '[N/A]'"])
def test_the_demo_does_without_a_driver(tmp_path, script):
    answering(tmp_path, script)
    text = planned(tmp_path, "demo")
    assert "--editable '.[plot]'" in text
    assert "training on the CPU" in text


def test_without_a_network_nothing_but_gpubp_is_installed(tmp_path):
    text = planned(tmp_path, "gpu-test", "OFFLINE=1")
    assert "--no-build-isolation --no-deps --editable ." in text
    assert "'.[" not in text
    assert "'.[test,cuda13]'" in planned(tmp_path, "gpu-test")


def test_each_target_runs_a_file_that_is_there(tmp_path):
    for target, file in {
        "gpu-doctor": "gpubp doctor",
        "gpu-test": "tests/cuda/test_on_gpu.py",
        "gpu-sanitize": "tests/cuda/sanitize.sh",
        "gpu-bench": "bench/gpu.py",
        "gpu-bench-full": "bench/gpu.py --full",
    }.items():
        assert file in planned(tmp_path, target)
        assert (ROOT / file.split()[0]).exists()


@pytest.mark.parametrize(("answer", "status"), [("exit 0", 0), ("exit 9", 1), ("exit 255", 1), ("sleep 60", 1)])
def test_sanitizers_watch_with_each_tool_and_their_findings_count(tmp_path, answer, status):
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(f'#!/bin/sh\necho watched "$@"\n[ $2 = racecheck ] && {answer}\nexit 0\n')
    tool.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHON": sys.executable, "PATIENCE": "2"}
    command = ["bash", str(ROOT / "tests/cuda/sanitize.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status
    watched = [line.split() for line in done.stdout.splitlines() if line.startswith("watched")]
    assert [words[2] for words in watched] == ["memcheck", "racecheck", "initcheck", "synccheck"]
    assert all(words[-4:] == ["-m", "tests.cuda.planted", "gpu", "all"] for words in watched)
