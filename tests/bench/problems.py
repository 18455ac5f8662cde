"""Small cases, and answers as contenders give them."""

from gpubp.bench.case import Case
from gpubp.bench.cells import Cell

TINY = Case((3, 5, 4), batch=8, steps=16)
REGRESSION = Case((3, 5, 1), batch=8, steps=16)


def cell(**different):
    """A cell of two contenders that takes no time."""
    return Cell(**{"family": "step", "name": "tiny", "value": 1, "task": "step", "case": TINY} | different)
