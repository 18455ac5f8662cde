"""Products summed over axes by their names: einsum, and what it makes short."""

import string

from gpubp.ops.elementwise import multiply
from gpubp.ops.linalg import batched, matmul
from gpubp.ops.reductions import sum
from gpubp.ops.registry import dims, value
from gpubp.ops.shapes import normal_axis, public, size
from gpubp.ops.shaping import reshape, transpose


def einsum(subscripts: str, *operands):
    """Einstein's summation: axes by letters, those that the result does not name are summed over.

    Several operands meet from left to right. `...` stands for leading axes that broadcast.

    Arguments:
        subscripts: such as "bij,bjk->bik"; without "->" the letters that occur once, in alphabetical order.
        operands: arrays.

    Raises:
        ValueError: for subscripts that do not fit the operands, or a letter twice in one of them.

    >>> import numpy as np
    >>> from gpubp import ops
    >>> ops.einsum("ij,kj->ik", np.eye(2), np.array([[1.0, 2.0]])).tolist()
    [[1.0], [2.0]]
    """
    xs = [value(x) for x in operands]
    names, result = _parsed(subscripts, [len(dims(x)) for x in xs])
    _check_sizes(subscripts, names, xs)
    terms = list(zip(names, xs, strict=True))
    while len(terms) > 1:
        (first, x), (second, y), *rest = terms
        wanted = set(result).union(*(n for n, _ in rest))
        terms = [_contracted(first, x, second, y, wanted), *rest]
    name, x = _summed(*terms[0], set(result))
    return _arranged(name, x, result)


def _parsed(subscripts, ranks):
    """The letters of each operand and of the result; `...` becomes capitals beyond those in use."""
    left, arrow, result = subscripts.replace(" ", "").partition("->")
    names = left.split(",")
    if len(names) != len(ranks):
        raise ValueError(f"einsum {subscripts!r} names {len(names)} operands; there are {len(ranks)}")
    spare = [c for c in string.ascii_letters if c not in subscripts]
    widths = [rank - len(n.replace("...", "")) if "..." in n else 0 for n, rank in zip(names, ranks, strict=True)]
    dots = "".join(spare[: max([0, *widths])])
    names = [n.replace("...", dots[len(dots) - w :]) if w >= 0 else n for n, w in zip(names, widths, strict=True)]
    if not arrow:
        together = "".join(names)
        result = dots + "".join(sorted(c for c in set(together) - set(dots) if together.count(c) == 1))
    result = result.replace("...", dots)
    for n, rank in zip(names, ranks, strict=True):
        if len(n) != rank or len(set(n)) != rank or not set(result) <= set("".join(names)) or not (n + "a").isalpha():
            raise ValueError(f"einsum {subscripts!r} does not fit operands of {ranks} dimensions, or repeats a letter")
    return names, result


def _check_sizes(subscripts, names, xs):
    sizes: dict = {}
    for name, x in zip(names, xs, strict=True):
        for letter, n in zip(name, dims(x), strict=True):
            if n != 1 and sizes.setdefault(letter, n) != n:
                raise ValueError(f"einsum {subscripts!r}: {letter!r} is both {sizes[letter]} and {n}")


def _contracted(na, x, nb, y, wanted):
    """Two terms as one: a matrix product for each value of the letters that both have and the result keeps."""
    na, x = _without_ones(na, x, nb)
    nb, y = _without_ones(nb, y, na)
    (na, x), (nb, y) = _summed(na, x, wanted | set(nb)), _summed(nb, y, wanted | set(na))
    shared = [c for c in na if c in nb]
    batch, inner = [c for c in shared if c in wanted], [c for c in shared if c not in wanted]
    rows, columns = [c for c in na if c not in shared], [c for c in nb if c not in shared]
    sizes = dict(zip(na, dims(x), strict=True)) | dict(zip(nb, dims(y), strict=True))
    x, ta = _matrices(na, x, batch, rows, inner)
    y, tb = _matrices(nb, y, batch, inner, columns)
    product = batched(x, y, ta, tb)
    name = "".join([*batch, *rows, *columns])
    return name, reshape(product, tuple(sizes[c] for c in name))


def _without_ones(name, x, other):
    """Letters of one element that the other term repeats need no axis: their products are those of all."""
    kept = [k for k, (c, n) in enumerate(zip(name, dims(x), strict=True)) if not (n == 1 and c in other)]
    return "".join(name[k] for k in kept), reshape(x, tuple(dims(x)[k] for k in kept))


def _matrices(name, x, batch, rows, columns):
    """As (batch, rows, columns), or (batch, columns, rows) and True where the axes stand so already."""
    sizes = dict(zip(name, dims(x), strict=True))
    turned = list(name) == [*batch, *columns, *rows] and list(name) != [*batch, *rows, *columns]
    first, second = (columns, rows) if turned else (rows, columns)
    x = _arranged(name, x, [*batch, *first, *second])
    shape = tuple(size(tuple(sizes[c] for c in group)) for group in (batch, first, second))
    return reshape(x, shape if batch else shape[1:]), turned


def _summed(name, x, wanted):
    """A term without the letters that nothing else has."""
    gone = tuple(k for k, c in enumerate(name) if c not in wanted)
    return "".join(c for c in name if c in wanted), sum(x, gone) if gone else x


def _arranged(name, x, order):
    return transpose(x, tuple(name.index(c) for c in order))


def tensordot(x1, x2, axes=2):
    """The sum of products over the last `axes` axes of one and the first of the other, or over pairs of axes.

    Arguments:
        x1, x2: arrays.
        axes: int, or (axes of x1, axes of x2), each an int or several. Default 2.

    Raises:
        ValueError: where the axes do not fit.
    """
    a, b = value(x1), value(x2)
    rank_a, rank_b = len(dims(a)), len(dims(b))
    if isinstance(axes, int):
        axes = (range(rank_a - axes, rank_a), range(axes))
    over_a, over_b = (
        [normal_axis(k, rank) for k in ((chosen,) if isinstance(chosen, int) else chosen)]
        for chosen, rank in zip(axes, (rank_a, rank_b), strict=True)
    )
    letters = iter(string.ascii_letters)
    name_a = [next(letters) for _ in range(rank_a)]
    pairs = dict(zip(over_b, over_a, strict=True))
    name_b = [name_a[pairs[k]] if k in pairs else next(letters) for k in range(rank_b)]
    if any(dims(a)[i] != dims(b)[k] for k, i in pairs.items()):
        raise ValueError(f"tensordot: {public(dims(a))} and {public(dims(b))} differ along the axes {axes}")
    kept = [c for k, c in enumerate(name_a) if k not in over_a] + [c for k, c in enumerate(name_b) if k not in pairs]
    return einsum(f"{''.join(name_a)},{''.join(name_b)}->{''.join(kept)}", a, b)


def outer(x1, x2):
    """The product of each element of one with each of the other: (size of x1, size of x2)."""
    a, b = reshape(value(x1), (-1, 1)), reshape(value(x2), (1, -1))
    return multiply(a, b)


def dot(x1, x2):
    """The sum of products over the last axis of `x1` and the second last, or only, axis of `x2`; scalars multiply."""
    a, b = value(x1), value(x2)
    if not dims(a) or not dims(b):
        return multiply(a, b)
    return matmul(a, b) if len(dims(b)) <= 2 else tensordot(a, b, ((-1,), (-2,)))
