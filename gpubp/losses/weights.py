"""Weights of values: a row's weight counts for all positions of the row."""

from gpubp import ops
from gpubp.ops.registry import dims, value
from gpubp.ops.shapes import public


def weights_of(values, sample_weight, mask=None):
    """The weights in shape and dtype of the values, 0 where the mask is False; None without weights and mask.

    Arguments:
        values: (rows, ...).
        sample_weight: (rows,), (rows, 1), or any shape that broadcasts to that of the values once axes of one have
            been put behind it or taken away; or None.
        mask: bool, in the shape of the values; or None. Default None.

    Raises:
        ValueError: for other shapes.
    """
    if sample_weight is None:
        return None if mask is None else ops.cast(mask, values.dtype)
    weights, shape = ops.cast(value(sample_weight), values.dtype), dims(values)
    given = dims(weights)
    fitting = given[: len(shape)] + (1,) * (len(shape) - len(given))
    surplus = given[len(shape) :]
    if any(d != 1 for d in surplus) or any(d not in (1, wide) for d, wide in zip(fitting, shape, strict=True)):
        raise ValueError(
            f"sample_weight has shape {public(given)}, which does not fit values of shape {public(shape)}; "
            "it must have one weight a row, or one a value"
        )
    weights = ops.broadcast_to(ops.reshape(weights, fitting), shape)
    return weights if mask is None else ops.where(mask, weights, 0.0)
