"""The comparison of rates fits both libraries alike and prints a line for each set."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

import sklearn_rates


@pytest.mark.parametrize("name", ["cancer", "diabetes"])
def test_both_libraries_fit_as_many_epochs_and_score_alike(name, monkeypatch):
    monkeypatch.setattr(sklearn_rates.SETS[name], "epochs", 30)
    fits = sklearn_rates.measure(name, "float64", seeds=2)
    assert list(fits) == ["scikit-learn", "gpubp"]
    for theirs, ours in zip(*fits.values(), strict=True):
        assert theirs.epochs == ours.epochs == 30
        assert ours.score == pytest.approx(theirs.score, abs=0.05)
    line = sklearn_rates.row(name, "float64", fits)
    assert line.startswith(f"| {name} | float64 | ")
    assert line.count("|") == 8
