"""Matrix products by tiles: some rows of the result by some vectors of columns, whose sums stay in registers.

BLAS copies both factors into an order of its own before it multiplies, which large products pay back and those of a
training step often do not. Here both are read where they lie; only a right factor that is stored as its transpose is
copied, a panel at a time. A tile's sums begin with nothing, with the result so far or with a bias, and may end in a
ReLU: the result is written once, and not read again.

A tile of r rows and v vectors has r v multiply-adds for r + v loads, and takes r v + v + 1 registers. Source: K. Goto,
R. van de Geijn, Anatomy of High-Performance Matrix Multiplication, ACM TOMS 34(3), 2008.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from gpubp.kernels.cpu import rule
from gpubp.kernels.cpu.flags import inlined
from gpubp.kernels.cpu.intrinsics import allocate, release
from gpubp.kernels.cpu.processor import VECTOR
from gpubp.kernels.cpu.vectors import I64, Vectors

HEIGHTS = 14, 12, 8, 6  # rows of a tile of one vector, of two, of three, of four
suits = inlined(rule.suits)


def _constant(value: int):
    return ir.Constant(I64, value)


def _tile(rows: int, vectors: int):
    """An intrinsic for tiles of so many rows and vectors of columns."""

    @intrinsic
    def tile(typingctx, like, a, a_row, a_step, b, b_row, c, c_row, start, start_row, last, lanes, k, relu):
        """C = start + A B on a tile, then its ReLU if `relu` is not 0. All but counts are addresses, or bytes between.

        a, a_row, a_step: the left factor; to the next row, and to the next element of a row.
        b, b_row; c, c_row: the right factor; the result.
        start, start_row: what the sums begin with; nothing if the address is 0.
        last: the last row that there is. Those of the tile beyond it are this one again.
        lanes: columns of the last vector.
        k: how many products are added up.
        """

        def codegen(context, builder, signature, args):
            a, a_row, a_step, b, b_row, c, c_row, start, start_row, last, lanes, k, relu = args[1:]
            write = Vectors(builder, like)
            masks = [None] * (vectors - 1) + [write.first(lanes)]
            columns = [(_constant(v * VECTOR), mask) for v, mask in enumerate(masks)]
            within = [builder.select(builder.icmp_signed("<", last, x), last, x) for x in map(_constant, range(rows))]

            def lines(base, distance):
                return [builder.add(base, builder.mul(distance, r)) for r in within]

            def each(function, *grids):
                return [[function(*xs) for xs in zip(*line, strict=True)] for line in zip(*grids, strict=True)]

            def merge(values, block, more, other):
                def phi(x, y):
                    merged = builder.phi(x.type)
                    merged.add_incoming(x, block)
                    merged.add_incoming(y, other)
                    return merged

                return each(phi, values, more)

            before = builder.block
            begun, loop, summed, cut, end = (builder.append_basic_block() for _ in range(5))
            lefts = lines(a, a_row)
            nothing = [[write.zero] * vectors] * rows
            builder.cbranch(builder.icmp_signed("==", start, _constant(0)), loop, begun)

            builder.position_at_end(begun)
            first = [[write.load(builder.add(x, o), mask) for o, mask in columns] for x in lines(start, start_row)]
            builder.branch(loop)

            builder.position_at_end(loop)
            ((left, right, count),) = counters = merge([[_constant(0), b, k]], before, [[_constant(0), b, k]], begun)
            sums = merge(nothing, before, first, begun)
            row = [write.load(builder.add(right, o), mask) for o, mask in columns]
            totals = []
            for address, line in zip(lefts, sums, strict=True):
                factor = write.broadcast(builder.add(address, left))
                totals.append([write.multiply_add(factor, x, y) for x, y in zip(row, line, strict=True)])
            rest = builder.sub(count, _constant(1))
            following = [[builder.add(left, a_step), builder.add(right, b_row), rest]]
            each(lambda phi, x: phi.add_incoming(x, loop), [*counters, *sums], [*following, *totals])
            builder.cbranch(builder.icmp_signed(">", rest, _constant(0)), loop, summed)

            builder.position_at_end(summed)
            builder.cbranch(builder.icmp_signed("==", relu, _constant(0)), end, cut)
            builder.position_at_end(cut)
            positive = each(write.relu, totals)
            builder.branch(end)

            builder.position_at_end(end)
            results = merge(totals, summed, positive, cut)
            for address, line in zip(lines(c, c_row), results, strict=True):
                for x, (o, mask) in zip(line, columns, strict=True):
                    write.store(x, builder.add(address, o), mask)
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 13), codegen

    return tile


_tile1, _tile2, _tile3, _tile4 = (_tile(height, vectors) for vectors, height in enumerate(HEIGHTS, 1))


@intrinsic
def _turn(typingctx, like, source, source_row, last, lanes, target, target_row):
    """Writes the transpose of a square with as many rows as a vector has lanes.

    last, lanes: the last row, and the columns, that there are. What lies beyond them is written as something or other.
    """

    def codegen(context, builder, signature, args):
        source, source_row, last, lanes, target, target_row = args[1:]
        write = Vectors(builder, like)
        n, half, mask = write.lanes, write.lanes // 2, write.first(lanes)
        numbers = [_constant(r) for r in range(n)]
        there = [builder.select(builder.icmp_signed("<", last, r), last, r) for r in numbers]
        rows = [write.load(builder.add(source, builder.mul(source_row, r)), mask) for r in there]
        low, high = ([x for i in range(begin, begin + half) for x in (i, n + i)] for begin in (0, half))
        for _ in range(half.bit_length()):  # a perfect shuffle, of which log2(n) make the transpose
            pairs = zip(rows[:half], rows[half:], strict=True)
            rows = [write.shuffle(x, y, order) for x, y in pairs for order in (low, high)]
        for r, row in zip(numbers, rows, strict=True):
            write.store(row, builder.add(target, builder.mul(target_row, r)))
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 6), codegen


@inlined
def product(dtype, lanes, a, lda, b, ldb, c, ldc, m, n, k, ta, tb, start, start_row, relu):
    """C = start + op(A) op(B), then its ReLU if `relu` is not 0.

    One panel of columns after the other, and of it one tile of rows after the other.

    dtype, lanes: of the matrices; how many of their elements a vector has.
    a, lda, b, ldb, c, ldc: addresses, and elements from row to row as it is stored.
    m, n, k, ta, tb: as in `suits`.
    start, start_row: the address of what is added, or 0, and the bytes to its next row.
    """
    size, like = VECTOR // lanes, dtype(0)
    panel = allocate((k + lanes) * 4 * VECTOR) if tb else 0
    a_row, a_step, c_row = size * lda, size, size * ldc
    if ta:
        a_row, a_step = a_step, a_row
    column = 0
    while column < n:
        vectors = _breadth(-(-(n - column) // lanes))
        columns = min(vectors * lanes, n - column)
        tail = columns - (vectors - 1) * lanes
        right, right_row = b + size * column, size * ldb
        if tb:
            right, right_row = panel, 4 * VECTOR
            for j in range(0, columns, lanes):
                for p in range(0, k, lanes):
                    corner = b + size * ((column + j) * ldb + p)
                    _turn(like, corner, size * ldb, columns - j - 1, k - p, right + p * right_row + size * j, right_row)
        for i in range(0, m, _height(vectors)):
            x, y = a + i * a_row, c + i * c_row + size * column
            z = start + i * start_row + size * column if start else 0
            if vectors == 4:
                _tile4(like, x, a_row, a_step, right, right_row, y, c_row, z, start_row, m - 1 - i, tail, k, relu)
            elif vectors == 3:
                _tile3(like, x, a_row, a_step, right, right_row, y, c_row, z, start_row, m - 1 - i, tail, k, relu)
            elif vectors == 2:
                _tile2(like, x, a_row, a_step, right, right_row, y, c_row, z, start_row, m - 1 - i, tail, k, relu)
            else:
                _tile1(like, x, a_row, a_step, right, right_row, y, c_row, z, start_row, m - 1 - i, tail, k, relu)
        column += columns
    if tb:
        release(panel)


@inlined
def _breadth(vectors):
    """Vectors of the next panel: two that share are better than a broad one and a lone one."""
    if vectors <= 4:
        return vectors
    return 3 if vectors in (5, 6) else 4


@inlined
def _height(vectors):
    """Rows of a tile of so many vectors."""
    if vectors == 1:
        return HEIGHTS[0]
    if vectors == 2:
        return HEIGHTS[1]
    return HEIGHTS[2] if vectors == 3 else HEIGHTS[3]
