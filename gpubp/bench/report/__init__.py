"""The results of `gpubp bench` for people: a report, charts, one page for browsers, the README's table."""

from gpubp.bench.report.documents import read
from gpubp.bench.report.readme import update
from gpubp.bench.report.writing import write

__all__ = ["read", "update", "write"]
