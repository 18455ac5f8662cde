"""The report says what the results say; the README's table and picture are those of the results in the repository."""

import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpubp import cli
from gpubp.bench import report
from gpubp.bench.report import readme
from gpubp.bench.report.growth import slopes
from gpubp.bench.suite import Run, Settings

from . import documents

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results" / "cpu.json"
ALL = [RESULTS, RESULTS.with_name("cpu-two-threads.json")]


def test_the_readme_holds_the_figures_of_the_results():
    (document,) = report.read([RESULTS])
    command = "gpubp bench-report bench/results/cpu.json --readme README.md"
    assert readme.block(document) in (ROOT / "README.md").read_text(), f"they differ: {command}"
    assert readme.digest(document) in (ROOT / readme.PICTURE).read_text(), f"they differ: {command}"


def test_the_report_in_the_repository_is_that_of_the_results(tmp_path):
    report.write(report.read(ALL), tmp_path)
    command = f"gpubp bench-report {' '.join(str(path.relative_to(ROOT)) for path in ALL)}"
    assert (tmp_path / "REPORT.md").read_text() == (RESULTS.parent / "REPORT.md").read_text(), f"they differ: {command}"


@pytest.fixture
def written(tmp_path):
    """The files of a report on made-up results of all families."""
    file = tmp_path / "run.json"
    file.write_text(json.dumps(documents.made_up()))
    arguments = ["bench-report", str(file), "--folder", str(tmp_path / "report")]
    result = CliRunner().invoke(cli.app, arguments)
    assert result.exit_code == 0, result.output
    return {path.name: path for path in map(Path, result.stdout.split())}


def rows(markdown, heading):
    """The cells of the first table below a heading."""
    section = markdown.split(f"## {heading}\n")[1].split("\n## ")[0]
    table = next(part for part in section.split("\n\n") if part.startswith("|"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if "---" not in line]


def test_the_report_has_medians_and_multiples(written):
    text = written["REPORT.md"].read_text()
    assert rows(text, "A training step, 1 thread") == [
        ["case", "gpubp", "PyTorch", "products"],
        ["3-5-4, 8", "1.00 ms", "3.00 ms (3)", "500 µs (0.5)"],
    ]
    assert rows(text, "Prediction")[1] == ["3-5-4, 1 row", "10.0 µs", "20.0 µs (2)"]
    assert rows(text, "Time to a score")[1] == ["digits to 0.9, 3-5-4, 8", "2.00 s", "–"]
    assert rows(text, "Start-up")[1] == ["digits' shape", "200 ms · 500 ms", "1.00 s · 2.00 s"]
    assert rows(text, "Memory")[1] == ["3-5-4, 8", "1.00 MB · 2.00 MB · 50.0 MB", "3.00 MB · 4.00 MB · 90.0 MB"]
    assert rows(text, "Installed files")[1] == ["installed", "450 MB", "870 MB"]
    assert rows(text, "Instructions of a step")[1] == [
        "3-5-4, 8",
        "2",
        "3.00 kFLOP",
        "2.00 kB",
        "4.00 µs",
        "6.00 µs",
        "1.50",
    ]
    assert ["time of a step", "batch", "gpubp", "2.00"] in rows(text, "Growth")


def test_the_report_names_what_is_missing(written):
    text = written["REPORT.md"].read_text()
    assert "Left out: JAX jit (no JAX here)." in text
    assert "Dropped, for want of time: growth: depth 2." in text
    assert "Failed: fit: mnist (no network)." in text
    assert "NOT THE SAME WORK, by the loss at the end: PyTorch at 3-5-4, 8." in text


class Page(HTMLParser):
    """Collects what an HTML page refers to, and whether its elements are closed."""

    def __init__(self):
        super().__init__()
        self.sources, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_holds_all_and_refers_to_nothing(written):
    page = Page()
    page.feed(written["report.html"].read_text())
    assert page.open == []
    charts = [name for name in written if name.endswith(".svg")]
    assert sorted(charts) == ["accuracy.svg", "growth.svg", "roofline.svg", "throughput.svg"]
    found = [b64decode(source.removeprefix("data:image/svg+xml;base64,")) for source in page.sources]
    assert sorted(found) == sorted(written[name].read_bytes() for name in charts)


@pytest.mark.parametrize("name", ["throughput", "growth", "roofline", "accuracy"])
def test_charts_name_what_they_show(written, name):
    root = ElementTree.parse(written[f"{name}.svg"]).getroot()
    texts = {"".join(element.itertext()).strip() for element in root.iter() if element.tag.endswith("}text")}
    expected = {
        "throughput": {"gpubp", "PyTorch", "3-5-4, 8"},
        "growth": {"gpubp", "batch", "seconds a step", "bytes of training"},
        "roofline": {"3-5-4, 8", "FLOP a byte read or written"},
        "accuracy": {"gpubp", "PyTorch", "seconds of training"},
    }
    assert expected[name] <= texts


def test_slopes_are_those_of_power_laws():
    found = slopes(documents.made_up(), "growth", "seconds")
    assert found == {("batch", "gpubp"): pytest.approx(2.0)}


def test_the_readme_is_changed_between_its_marks_alone(tmp_path):
    (tmp_path / "docs").mkdir()
    page = tmp_path / "README.md"
    page.write_text(f"before\n\n{readme.BEGIN}\nold\n{readme.END}\n\nafter \\1\n")
    document = documents.made_up()
    assert [path.name for path in report.update(page, document)] == ["README.md", "throughput.svg"]
    text = page.read_text()
    assert text == f"before\n\n{readme.block(document)}\n\nafter \\1\n"
    assert "| 3-5-4, 8 | 1,000 | 3,000 (0.33) | 500 |" in text
    assert readme.digest(document) in (tmp_path / readme.PICTURE).read_text()
    once = (tmp_path / readme.PICTURE).read_bytes()
    report.update(page, document)
    assert page.read_text() == text
    assert (tmp_path / readme.PICTURE).read_bytes() == once


def test_a_picture_of_other_figures_has_another_digest():
    first, second = documents.made_up(), documents.made_up()
    samples = second["cells"][0]["contenders"]["PyTorch"]["samples"]
    samples["seconds"] = [1.01 * s for s in samples["seconds"]]
    assert readme.digest(first) != readme.digest(second)


def test_a_readme_without_marks_is_refused(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing here")
    with pytest.raises(ValueError, match="has no lines"):
        report.update(page, documents.made_up())
    assert page.read_text() == "nothing here"


def test_other_files_are_refused(tmp_path):
    file = tmp_path / "other.json"
    file.write_text('{"cases": []}')
    with pytest.raises(ValueError, match=re.escape(f"{file} is not a result of this version")):
        report.read([file])


def test_a_run_that_measured_nothing_can_be_reported(tmp_path):
    document = Run(Settings()).document
    assert [path.name for path in report.write([document], tmp_path)] == ["REPORT.md", "report.html"]
