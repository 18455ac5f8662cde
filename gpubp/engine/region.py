"""Regions: instructions that one generated kernel computes in one loop over rows and columns.

Seen from the loop, every value is a scalar, a row (one element a column), a column (one element a row) or full. Each
row is walked in passes: what reduces along the row in one pass is known to the next. Sums over the rows are known only
after the loop. A chain of elementwise ops, a softmax with its loss and gradient, an activation gradient together with
the bias gradient, an optimizer over flat buffers: all are regions, none has a rule of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from gpubp.engine.trace import Symbol
from gpubp.ops.shapes import Dimension, size


class Kind(Enum):
    """How a value meets the loop: which of its two indices it varies with."""

    SCALAR = (False, False)
    ROW = (False, True)
    COLUMN = (True, False)
    FULL = (True, True)


AFTER = inf  # the level of what is known only after the last row


@dataclass
class Region:
    """The loop of a region: its extents, and of each value the kind and the level, the pass that computes it."""

    rows: Dimension
    columns: Dimension
    steps: tuple
    base: Callable[[Symbol], Symbol]  # the symbol whose bytes a reshaped one shares; values are known by it
    kind: dict[Symbol, Kind] = field(default_factory=dict)
    level: dict[Symbol, float] = field(default_factory=dict)

    def last_use(self, value) -> float:
        """The last pass that reads the value."""
        return max((self.reading_level(s) for s in self.steps if value in set(map(self.base, s.inputs))), default=0)

    def reading_level(self, step) -> float:
        """Reductions read in the pass before their result is known."""
        return self.level[self.base(step.inputs[0]) if step.op.reduction else step.outputs[0]]

    def spilled(self, outputs) -> list[Symbol]:
        """Full values that a later pass reads again and that no output keeps: each takes a row of scratch memory."""
        computed, kept = [s.outputs[0] for s in self.steps], set(outputs)
        again = [x for x in computed if self.kind[x] is Kind.FULL and self.last_use(x) > self.level[x]]
        return [x for x in again if x not in kept]

    def may_overwrite(self, out, value) -> bool:
        """Whether the output may take the place of what is read: each element is read before it is written."""
        kind = self.kind[value]
        if kind is not self.kind[out] or kind is Kind.ROW or value.dtype != out.dtype:
            return False
        return kind is not Kind.FULL or self.last_use(value) <= self.level[out]


def lay_out(steps, base, rows: Dimension | None = None) -> Region | None:
    """The loop that computes the steps, in their order; None if there is no such loop, or none of so many `rows`."""
    widest = max((x for s in steps for x in (*s.inputs, *s.outputs)), key=lambda x: len(x.dims))
    for split in range(len(widest.dims) + 1):
        splits = _propagate({widest: split}, steps, base)
        region = _extents(splits, steps, base) if splits else None
        if region and rows in (None, region.rows) and all(_place(region, step, splits) for step in steps):
            _sink(region)
            return region
    return None


def _propagate(splits, steps, base) -> dict[Symbol, int] | None:
    """Each symbol's split: the dimensions before it are rows, the others columns. None where two disagree."""
    links = [link for step in steps for link in _links(step, base)]
    grown = True
    while grown:
        grown = False
        for a, b, aligned in links:
            for x, y in ((a, b), (b, a)):
                if x in splits and y not in splits:
                    found = _aligned(splits[x], x, y) if aligned else _reshaped(splits[x], x, y)
                    if found is not None:
                        splits[y], grown = found, True
    return splits if all(_agree(splits, *link) for link in links) else None


def _links(step, base):
    """Pairs of symbols whose splits depend on each other: True where aligned to the right, False where reshaped."""
    for x in step.inputs:
        yield x, step.outputs[0], True
        if base(x) is not x:
            yield x, base(x), False


def _aligned(split, x, y) -> int | None:
    moved = split + len(y.dims) - len(x.dims)
    if moved > 0 and split == 0 and len(y.dims) > len(x.dims):
        return None  # a shorter shape that is all columns says nothing of where the longer one is split
    return max(0, moved)


def _reshaped(split, x, y) -> int | None:
    lead, trail = size(x.dims[:split]), size(x.dims[split:])
    fits = (p for p in range(len(y.dims) + 1) if size(y.dims[:p]) == lead and size(y.dims[p:]) == trail)
    return next(fits, None)


def _agree(splits, a, b, aligned) -> bool:
    if a not in splits or b not in splits:
        return all(size(x.dims) == 1 for x in (a, b) if x not in splits)
    if not aligned:
        return size(a.dims[: splits[a]]) == size(b.dims[: splits[b]])
    short, long = sorted((a, b), key=lambda s: len(s.dims))
    return splits[short] == max(0, splits[long] + len(short.dims) - len(long.dims))


def _extents(splits, steps, base) -> Region | None:
    """The region with its extents, and with the kinds of what it reads; None if these do not fit one loop."""
    rows = {size(s.dims[:p]) for s, p in splits.items()} - {1}
    columns = {size(s.dims[p:]) for s, p in splits.items()} - {1}
    if len(rows) > 1 or len(columns) > 1:
        return None
    region = Region(next(iter(rows), 1), next(iter(columns), 1), tuple(steps), base)
    computed = {s.outputs[0] for s in steps}
    for x in (x for s in steps for x in s.inputs if base(x) not in computed):
        region.kind[base(x)], region.level[base(x)] = _kind(x, splits, region), 0
    return region


def _kind(x, splits, region) -> Kind:
    """From the shape alone. Where the loop has one row only, what varies with the columns is full."""
    split = splits.get(x, 0)
    by_row, by_column = size(x.dims[:split]) != 1, size(x.dims[split:]) != 1
    return Kind((by_row or (by_column and region.rows == 1), by_column))


def _place(region, step, splits) -> bool:
    """Finds a step's kind and level; False if the loop can't compute it."""
    rule = _reduction_place if step.op.reduction else _elementwise_place
    place = rule(region, step, splits)
    if place:
        region.kind[step.outputs[0]], region.level[step.outputs[0]] = place
    return bool(place)


def _elementwise_place(region, step, splits):
    inputs = [region.base(x) for x in step.inputs]
    kind, level = _kind(step.outputs[0], splits, region), max((region.level[x] for x in inputs), default=0)
    if kind is Kind.SCALAR and any(region.kind[x] is Kind.COLUMN for x in inputs):
        kind = Kind.COLUMN  # of a loop of one row
    repeated = kind is Kind.ROW and step.op.expression != "{column}"  # would be computed anew for each row
    return None if repeated or (level == AFTER and kind is not Kind.SCALAR) else (kind, level)


def _sink(region):
    """Moves what is computed from memory alone to the first pass that reads it, so that it need not be kept."""
    made = {s.outputs[0] for s in region.steps}
    for step in region.steps:
        out = step.outputs[0]
        full = [x for x in map(region.base, step.inputs) if region.kind[x] is Kind.FULL]
        if step.op.reduction or region.kind[out] is not Kind.FULL or any(x in made for x in full):
            continue
        readers = [s for s in region.steps if out in set(map(region.base, s.inputs))]
        if readers:
            region.level[out] = max(region.level[out], min(region.reading_level(s) for s in readers))


def _reduction_place(region, step, splits):
    x, axes = step.inputs[0], set(step.attrs["axes"])
    kind, level, split = region.kind[region.base(x)], region.level[region.base(x)], splits.get(x, 0)
    wide = {i for i, d in enumerate(x.dims) if d != 1}
    lead, trail = {i for i in wide if i < split}, {i for i in wide if i >= split}
    if level == AFTER or not axes:
        return None
    if axes == trail and kind is Kind.FULL:
        return Kind.COLUMN, level + 1
    if step.op.reduction == "sum" and axes == lead and kind in (Kind.FULL, Kind.COLUMN):
        return (Kind.ROW if kind is Kind.FULL else Kind.SCALAR), AFTER
    if step.op.reduction == "sum" and axes == wide and kind is Kind.FULL:
        return Kind.SCALAR, AFTER
    return None
