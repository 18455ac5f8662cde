"""Arrays in the midst of larger ones."""

from gpubp.ops.creation import ones_like
from gpubp.ops.logic import cast, where
from gpubp.ops.moves import pad_op
from gpubp.ops.registry import dims, value
from gpubp.ops.slicing import block


def pad(x, pad_width, mode="constant", constant_values=None):
    """`x` with elements before and after it along each axis.

    Arguments:
        x: array.
        pad_width: int, (before, after) for all axes, or one such pair for each axis.
        mode: "constant", the only one.
        constant_values: number that the new elements are. Default 0.

    Raises:
        ValueError: for another mode, or widths that do not fit the axes.

    >>> from gpubp import ops
    >>> ops.pad([1, 2], (1, 2)).tolist()
    [0, 1, 2, 0, 0]
    """
    x = value(x)
    if mode != "constant":
        raise ValueError(f"pad: mode is 'constant'; {mode!r} is not supported")
    widths = _pairs(pad_width, len(dims(x)))
    if any(w < 0 for pair in widths for w in pair):
        raise ValueError(f"pad: widths are 0 or more; got {pad_width}")
    start = tuple(before for before, _ in widths)
    shape = tuple(before + n + after for n, (before, after) in zip(dims(x), widths, strict=True))
    return _amid(x, start, shape, constant_values or 0)


def _pairs(pad_width, rank):
    if isinstance(pad_width, int):
        return ((pad_width, pad_width),) * rank
    if all(isinstance(w, int) for w in pad_width):
        pad_width = (tuple(pad_width) * (2 if len(pad_width) == 1 else 1),)
    pairs = tuple(tuple(pair) for pair in pad_width) * (rank if len(pad_width) == 1 else 1)
    if len(pairs) != rank or any(len(pair) != 2 for pair in pairs):
        raise ValueError(f"pad: pad_width is an int, a pair or a pair for each of {rank} axes; got {pad_width}")
    return pairs


def slice_update(inputs, start_indices, updates):
    """`inputs` with the block that begins at `start_indices` replaced by `updates`. Raises ValueError outside."""
    x, updates = value(inputs), value(updates)
    start, _ = block(x, start_indices, dims(updates))
    return _amid(cast(updates, x.dtype), start, dims(x), x)


def _amid(x, start, shape, background):
    """`x` in the midst of a background, which is a number or of `shape`."""
    walk = {"start": start, "step": (1,) * len(shape), "shape": shape}
    if shape == dims(x):
        return x
    amid = pad_op(x, **walk)
    if isinstance(background, int | float) and background == 0:
        return amid
    return where(pad_op(ones_like(x, bool), **walk), amid, cast(value(background), x.dtype))
