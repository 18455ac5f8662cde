"""The guard against regressions: instructions, calls and bytes of each case's plan are those on record."""

import json
from pathlib import Path

import pytest

from gpubp.bench import plans

RECORD = Path(__file__).parents[2] / "bench" / "plans.json"


@pytest.fixture(scope="module")
def recorded():
    return json.loads(RECORD.read_text())


@pytest.mark.parametrize("case", plans.CASES, ids=lambda case: case.name)
def test_the_plan_is_as_recorded(case, recorded):
    found = plans.changes(recorded[case.name], plans.figures(case))
    assert not found, f"if that is meant, record it: python -m gpubp.bench.plans bench/plans.json; {found}"


def test_every_case_is_on_record_and_no_other(recorded):
    assert list(recorded) == [case.name for case in plans.CASES]


@pytest.mark.parametrize(
    ("change", "caught"),
    [
        ({}, False),
        ({"instructions": 13}, True),
        ({"launches": 4}, True),
        ({"bytes_moved": 1019}, False),
        ({"bytes_moved": 1021}, True),
        ({"bytes_moved": 979}, True),
    ],
)
def test_changes_beyond_the_margin_are_caught_for_worse_and_for_better(change, caught):
    recorded = {"instructions": 12, "launches": 5, "bytes_moved": 1000}
    assert bool(plans.changes(recorded, recorded | change)) == caught
