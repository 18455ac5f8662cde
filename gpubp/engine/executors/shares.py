"""Shares: how several threads divide an instruction, each computing some rows or columns of its result.

A share is the same kernel on the same arrays, from another place on and with smaller extents. What does not divide so
easily is the first thread's alone, as is what takes no longer than threads take to meet. Where there are columns enough
these are divided, of products as of regions: then each thread finds in its processor's cache what it has computed, and
a sum over the rows is one thread's. A share may round otherwise than the whole: BLAS adds up its products in an order
of its own, and what is left of a loop over vectors is computed one by one. So whoever computes, it is by shares.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

from gpubp.engine.executors.lower import Lowered
from gpubp.kernels.cpu.narrow import WIDEST
from gpubp.kernels.description import AFTER, COLUMN, IN_ROW, Compute, Loop, Reduce

# Nanoseconds that it takes threads to meet, roughly: a third of it where each has a processor for itself, more where
# others keep the processors busy and who meets waits for who is not there.
MEETING_TIME = 3000
WORTH = 10_000  # nanoseconds of one thread's work, from which threads share an instruction
MULTIPLICATIONS, ELEMENTS = 100, 4  # that a thread computes in a nanosecond, roughly: of a product, of a region
RANDOM = 0.5  # nanoseconds that a random number takes
LINE = 64  # bytes that no two threads write to
BROAD = 64  # columns of a thread's share, from which columns are divided
ROWS = 8  # of which a thread's share of a product is a multiple
SPARE = "spare"  # a segment for what nobody reads


@dataclass(frozen=True)
class Division:
    """An instruction divided among threads."""

    parts: list[Lowered]
    nanoseconds: float  # that it takes one thread, roughly
    after: Lowered | None = None  # what the first thread does once all parts are done


@dataclass(frozen=True)
class _Cut:
    """A way to divide an instruction."""

    extent: int  # what is divided: rows or columns
    unit: int  # of which a share is a multiple
    part: Callable[[int, int], Lowered]  # from where to where

    def parts(self, threads: int) -> list[Lowered]:
        """Shares as equal as can be; none if there are fewer units than threads."""
        units = -(-self.extent // self.unit)
        ends = [min(self.extent, units * t // threads * self.unit) for t in range(threads + 1)]
        return [self.part(*pair) for pair in pairwise(ends)] if units >= threads else []


def division(one: Lowered, threads: int) -> Division | None:
    """What each of the threads computes; None if one thread computes the instruction alone."""
    rule = _RULES.get(getattr(one.kernel, "function", type(one.kernel)))
    time, cuts = rule(one) if rule else (0.0, {})
    if time < WORTH:
        return None
    broad = "columns" in cuts and cuts["columns"].extent >= BROAD * threads
    order = sorted(cuts, reverse=not broad)
    parts = next((found for found in (cuts[name].parts(threads) for name in order) if found), None)
    if parts is None:
        return None
    return _with_scalars(one, Division(parts, time))


def divisible(one: Lowered) -> Lowered:
    """The same in a form that can be divided.

    Scalars that a region reads and writes have two arrays, and what draws random numbers is told its first row.
    """
    loop = one.kernel
    if getattr(loop, "function", "").startswith("random."):
        return replace(one, kernel=replace(loop, options=loop.options + 1), options=(*one.options, 0))
    if not isinstance(loop, Loop):
        return one
    arrays, operands, stores = list(loop.arrays), list(one.operands), []
    read = {a.array for a in loop.loads}
    for a in loop.stores:
        if a.kind == "SCALAR" and a.array in read:
            arrays.append(arrays[a.array])
            operands.append(operands[a.array])
            a = replace(a, array=len(arrays) - 1)
        stores.append(a)
    return replace(one, kernel=replace(loop, arrays=tuple(arrays), stores=tuple(stores)), operands=tuple(operands))


def _with_scalars(one: Lowered, division: Division) -> Division:
    """Scalars that a region writes, such as the number of steps, are written when no thread reads them any more."""
    loop = one.kernel
    if not isinstance(loop, Loop) or not (written := [a.array for a in loop.stores if a.kind == "SCALAR"]):
        return division
    parts = []
    for part in division.parts:
        operands = list(part.operands)
        for k in written:
            place, view = operands[k]
            operands[k] = replace(place, segment=SPARE, offset=0), view
        parts.append(replace(part, operands=tuple(operands)))
    return replace(division, parts=parts, after=replace(one, options=(0, 0)))


def _moved(one: Lowered, offsets: dict[int, int], options: tuple[int, ...]) -> Lowered:
    """The same with some operands so many elements further on."""
    operands = list(one.operands)
    for k, n in offsets.items():
        place, view = operands[k]
        operands[k] = replace(place, offset=place.offset + n * place.dtype.itemsize), view
    return replace(one, operands=tuple(operands), options=options)


def _region(one: Lowered) -> tuple[float, dict[str, _Cut]]:
    loop, (rows, columns) = one.kernel, one.options
    kinds = {a.array: a.kind for a in (*loop.loads, *loop.stores, *loop.spills)}
    stored = {a.kind for a in loop.stores}
    sums = {s.target for s in loop.steps if isinstance(s, Reduce)}
    numbered = {s.where for s in loop.steps if isinstance(s, Compute) and s.expression == COLUMN}
    cuts: dict[str, _Cut] = {}

    def by_row(begin, end):
        widths = {k: {"FULL": columns, "COLUMN": 1}.get(kind, 0) for k, kind in kinds.items()}
        return _moved(one, {k: begin * n for k, n in widths.items()}, (end - begin, columns))

    def by_column(begin, end):
        across = {k: begin for k, kind in kinds.items() if kind in ("FULL", "ROW")}
        return _moved(one, across, (rows, end - begin))

    if any(s.where == AFTER for s in loop.steps):
        return 0.0, cuts
    if rows > 1 and sums <= {"COLUMN"} and "ROW" not in stored and not loop.spills and IN_ROW not in numbered:
        cuts["rows"] = _Cut(rows, max(1, LINE // columns), by_row)
    if columns > WIDEST and sums <= {"ROW"} and "COLUMN" not in stored and not numbered:
        cuts["columns"] = _Cut(columns, LINE, by_column)
    return rows * columns * max(1, len(loop.steps) / 8) / ELEMENTS, cuts


def _product(one: Lowered) -> tuple[float, dict[str, _Cut]]:
    m, n, k, lda, ldb, ldc, ta, tb, _, _, count = one.options[:11]
    size, last = one.operands[0][0].dtype.itemsize, len(one.operands) - 1
    bias = {2: 1} if last == 3 else {}

    def rows(begin, end):
        steps = {0: 1 if ta else lda, last: ldc}
        return _moved(one, {i: begin * step for i, step in steps.items()}, (end - begin, *one.options[1:]))

    def columns(begin, end):
        steps = {1: ldb if tb else 1, last: 1, **bias}
        return _moved(one, {i: begin * step for i, step in steps.items()}, (m, end - begin, *one.options[2:]))

    def matrices(begin, end):
        strides = dict(zip((0, 1, last), one.options[11:14], strict=True))
        options = (*one.options[:10], end - begin, *one.options[11:])
        return _moved(one, {i: begin * stride for i, stride in strides.items()}, options)

    one_matrix = {"rows": _Cut(m, ROWS, rows), "columns": _Cut(n, LINE, columns)}
    cuts = one_matrix if count == 1 else {"matrices": _Cut(count, 1, matrices)}
    return count * m * n * k / MULTIPLICATIONS * size / 4, cuts


def _gather(one: Lowered) -> tuple[float, dict[str, _Cut]]:
    """Rows of a batch: source, index, result."""
    rows, columns = one.operands[2][1]

    def part(begin, end):
        (source, (index, _), (result, _)), n = one.operands, end - begin
        ends = source, (index, (n,)), (result, (n, columns))
        return _moved(replace(one, operands=ends), {1: begin, 2: begin * columns}, one.options)

    return rows * columns / ELEMENTS, {"rows": _Cut(rows, max(1, LINE // columns), part)}


def _random(one: Lowered) -> tuple[float, dict[str, _Cut]]:
    """Rows of random numbers, which know in which row they stand."""
    (*_, (out, (rows, columns))), options = one.operands, one.options[:-1]

    def part(begin, end):
        ends = *one.operands[:-1], (out, (end - begin, columns))
        return _moved(replace(one, operands=ends), {len(ends) - 1: begin * columns}, (*options, begin))

    return rows * columns * RANDOM, {"rows": _Cut(rows, LINE, part)}


_RULES = {
    "random.random_keep": _random,
    "random.random_normal": _random,
    "random.random_uniform": _random,
    Loop: _region,
    "gemm.gemm": _product,
    "gemm.gemm_bias": _product,
    "gather.take_rows": _gather,
}
