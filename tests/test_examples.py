"""The examples show what they say they show. Each runs as a module; one runs from a shell as well."""

import importlib.util
import math
import subprocess
import sys
from pathlib import Path

import pytest

from gpubp.datasets import DatasetError, mnist

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name, *arguments):
    specification = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.main(*arguments)


def test_linear_regression():
    figures = run("linear_regression")
    assert figures["prediction"] == pytest.approx(8, abs=0.1)
    assert figures["weight"] * 4 + figures["bias"] == pytest.approx(figures["prediction"], abs=1e-5)
    # The Hessian for x = 1, 2, 3 is [[28/3, 4], [4, 2]]: the larger root of e² - 34/3 e + 8/3.
    assert figures["limits"][0] == pytest.approx(2 / (17 / 3 + math.sqrt((17 / 3) ** 2 - 8 / 3)))
    assert figures["limits"][1] < 0.1 < figures["limits"][0]
    assert "the loss is not finite" in figures["error"]


def test_xor_by_a_sigmoid_net_learns_from_almost_all_of_a_hundred_seeds():
    figures = run("xor_sigmoid")
    assert figures["seeds"] == len(figures["losses"]) == 100
    assert figures["learned"] >= 90
    assert sum(loss < math.log(2) / 2 for loss in figures["losses"]) >= figures["learned"] - 2
    assert figures["slow_learned"] <= 2
    assert figures["slow_loss"] == pytest.approx(math.log(2), abs=0.02)


def test_mnist_reaches_92_percent():
    try:
        mnist.load_data()
    except DatasetError as error:
        pytest.skip(f"MNIST can't be fetched here: {error}")
    figures = run("mnist_softmax")
    assert figures["accuracy"] >= 0.92
    assert len(figures["history"]["loss"]) == 5
    assert figures["history"]["loss"] == sorted(figures["history"]["loss"], reverse=True)


def test_gradients_by_hand_equal_the_engines_and_mistakes_do_not():
    figures = run("by_hand")
    assert len(figures["agreement"]) == 4
    assert max(figures["agreement"].values()) <= 1e-12
    off = {name: off for name, (off, _) in figures["mistakes"].items()}
    loss = {name: loss for name, (_, loss) in figures["mistakes"].items()}
    assert off.pop("none") <= 1e-12
    assert len(off) == 5
    assert min(off.values()) > 0.01
    assert off["the mean taken twice"] == pytest.approx(3 / 4)  # g / 4 instead of g, of four rows
    assert off["a step uphill"] == pytest.approx(2)  # -g instead of g
    assert loss["none"] < 0.005 < loss["the mean taken twice"] < 0.05
    assert loss["a step uphill"] > 0.4
    assert math.isnan(loss["sigmoid'(z) taken as z (1 - z)"])


def test_xor_by_a_relu_net_succeeds_in_about_half_of_the_seeds_and_dead_units_tell_why():
    figures = run("xor_relu", 60)
    assert sum(map(len, figures["by_dead"].values())) == figures["seeds"] == 60
    assert 0.3 < figures["right"] / 60 < 0.7
    # Born dead are units with two negative weights: binomial, 180 units at 1/4, within four deviations.
    assert abs(figures["born_dead"] - 45) < 4 * math.sqrt(180 * 3 / 16)
    assert not any(figures["by_dead"][2] + figures["by_dead"][3]), "XOR takes two units that are alive"
    assert {plateau for dead, plateau in figures["stuck"] if dead == 3} <= {"1/4"}
    at_plateaus = sum(n for (_, plateau), n in figures["stuck"].items() if plateau != "elsewhere")
    assert at_plateaus == 60 - figures["right"]
    assert figures["wide"] >= 9  # of 12


def test_examples_run_from_a_shell():
    done = subprocess.run(
        [sys.executable, EXAMPLES / "linear_regression.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("learned y = ")
    assert not done.stderr
