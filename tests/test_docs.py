"""What the documentation says is true: its Python runs and prints what stands below it, its links lead somewhere."""

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from gpubp.datasets import DatasetError

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
PYTHON = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)#]+)\)")


def programs():
    return [page for page in PAGES if PYTHON.search(page.read_text())]


def by_name(page):
    return page.name


@pytest.mark.parametrize("page", programs(), ids=by_name)
def test_python_runs_and_prints_what_stands_below_it(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": page.stem}
    for code, expected in PYTHON.findall(page.read_text()):
        printed = io.StringIO()
        try:
            with redirect_stdout(printed):
                exec(compile(code, str(page), "exec"), names)
        except DatasetError as error:
            pytest.skip(f"a data set of the page can't be fetched here: {error}")
        if expected:
            assert printed.getvalue().split() == expected.split()


def test_the_pages_with_programs_are_found():
    assert {"README.md", "backprop-by-hand.md", "coming-from-sklearn.md"} <= {page.name for page in programs()}


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_within_the_repository_lead_somewhere(page):
    links = [link for link in LINK.findall(page.read_text()) if not link.startswith("http")]
    assert [link for link in links if not (page.parent / link).exists()] == []
