"""A run: what is chosen, what the budget drops, what is written, and that other work is caught."""

import json
import re

import pytest
from typer.testing import CliRunner

from gpubp import cli
from gpubp.bench import suite
from gpubp.bench.results import Result, disagreeing, ratio
from gpubp.bench.suite import Budget, Run, Settings

from .problems import cell


def invoke(*arguments, code=0):
    result = CliRunner().invoke(cli.app, ["bench", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_from_the_command_line_to_json(tmp_path):
    file = tmp_path / "results.json"
    options = ["--against", "numpy", "--family", "step", "--case", "2-4-2", "--budget", 15, "--json", file]
    printed = invoke(*options).stdout
    assert "step: 2-4-2, 4" in printed
    document = json.loads(file.read_text())
    (found,) = document["cells"]
    assert list(found["contenders"]) == ["gpubp", "NumPy", "products"]
    seconds = [result["samples"]["seconds"] for result in found["contenders"].values()]
    assert len({len(samples) for samples in seconds}) == 1
    for result in found["contenders"].values():
        spread = result["summary"]["seconds"]
        assert min(result["samples"]["seconds"]) <= spread["low"] <= spread["median"] <= spread["high"]
    assert {"date", "machine", "settings", "dropped", "failed"} < document.keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--against", "tensorflow"], "'tensorflow' is not a library to measure against; there are numpy, "),
        (["--family", "speed"], "'speed' is not a family; there are step, "),
        (["--device", "cuda"], "'cuda' is not a device that the suite measures; there are cpu"),
        (["--threads", "0"], "threads and budget must be positive"),
        (["--threads", "two"], "invalid literal"),
        (["--budget", "0"], "threads and budget must be positive"),
        (["--json", "nowhere/results.json"], "there is no folder nowhere"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(options, message):
    assert message in invoke(*options, code=2).stderr


def test_settings_choose_cells_and_contenders():
    chosen = Settings(against=("numpy",), families=("step",), cases=("2-4-2", "sgd"), threads=(1, 2)).cells()
    assert {c.contenders for c in chosen} == {("gpubp", "NumPy", "products")}
    assert {c.threads for c in chosen} == {1, 2}
    assert all(re.search(r"^2-4-2|sgd", c.name) for c in chosen)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still unless it is moved."""

    class Clock:
        now = 0.0

        def perf_counter(self):
            return self.now

    found = Clock()
    monkeypatch.setattr(suite, "time", found)
    return found


def measured(clock, monkeypatch, seconds):
    """Has cells take `seconds` of the clock instead of being measured."""

    def measure(c, stretch):
        clock.now += seconds
        return {"gpubp": Result(samples={"seconds": [1.0]})}, {}

    monkeypatch.setattr(suite, "measure", measure)


def run(monkeypatch, budget, cells, file=None):
    monkeypatch.setattr(Settings, "cells", lambda self: cells)
    lines: list[str] = []
    one = Run(Settings(budget=budget), file, lines.append)
    return one, one.all(), lines


def test_what_is_worth_least_is_dropped_and_named(clock, monkeypatch):
    cells = [cell(name=name, seconds=10, contenders=()) for name in "abcd"]
    measured(clock, monkeypatch, 10)
    one, _, lines = run(monkeypatch, 25, cells)
    assert [c["name"] for c in one.document["cells"]] == ["a", "b"]
    assert one.document["dropped"] == ["step: c", "step: d"]
    assert lines[-2:] == ["dropped, for want of time: step: c", "dropped, for want of time: step: d"]


def test_a_slow_machine_has_more_dropped(clock, monkeypatch):
    measured(clock, monkeypatch, 20)  # twice as long as expected
    one, _, _ = run(monkeypatch, 45, [cell(name=name, seconds=10, contenders=()) for name in "abcd"])
    assert [c["name"] for c in one.document["cells"]] == ["a", "b"]


def test_time_to_spare_is_used(clock):
    cells = [cell(seconds=10, contenders=("a", "b"))] * 2
    starting = sum(c.starting for c in cells)
    assert Budget(starting + 60).stretch(cells) == 3
    assert Budget(1e9).stretch(cells) == suite.LONGEST
    assert Budget(1).stretch(cells) == 1


def test_all_cells_are_measured_if_the_budget_just_suffices(clock, monkeypatch):
    cells = [cell(name=name, seconds=10, contenders=()) for name in "abc"]
    measured(clock, monkeypatch, 10)
    one, _, _ = run(monkeypatch, 30, cells)
    assert len(one.document["cells"]) == 3


def test_the_file_is_whole_after_each_cell(clock, monkeypatch, tmp_path):
    file, seen = tmp_path / "run.json", []
    measured(clock, monkeypatch, 1)
    monkeypatch.setattr(suite, "table", lambda *_: seen.append(file.exists() and json.loads(file.read_text())) or "")
    run(monkeypatch, 100, [cell(name=name, contenders=()) for name in "ab"], file)
    assert seen[0] is False
    assert [c["name"] for c in seen[1]["cells"]] == ["a"]
    assert [c["name"] for c in json.loads(file.read_text())["cells"]] == ["a", "b"]
    assert list(tmp_path.iterdir()) == [file]


def test_what_fails_is_named_and_the_rest_goes_on(clock, monkeypatch):
    def measure(c, stretch):
        if c.name == "a":
            raise OSError("no data")
        return {"gpubp": Result(loss=1.0), "NumPy": Result(loss=2.0)}, {}

    monkeypatch.setattr(suite, "measure", measure)
    one, fine, lines = run(monkeypatch, 100, [cell(name=name, contenders=()) for name in "ab"])
    assert not fine
    assert one.document["failed"] == {"step: a": "no data"}
    assert one.document["cells"][0]["disagreeing"] == ["NumPy"]
    assert "NOT THE SAME WORK: the loss of NumPy" in lines[1]


def test_a_contender_with_another_loss_is_named():
    losses = {"gpubp": 0.5, "close": 0.5001, "far": 0.51, "silent": None, "broken": float("nan")}
    assert disagreeing({name: Result(loss=loss) for name, loss in losses.items()}, 1e-3) == ["far", "broken"]


def test_ratios_are_of_the_same_round():
    assert ratio([1.0, 10.0, 3.0], [2.0, 20.0, 3.0]) == 0.5
