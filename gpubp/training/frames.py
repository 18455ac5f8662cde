"""Arrays of anything that gives its numbers away: lists, frames of pandas and Polars, arrays of other libraries."""

import numpy as np

NUMBERS = "fiub"  # the kinds of dtypes that programs read


def dense(name: str, given) -> np.ndarray:
    """The NumPy array of what `fit` and its kin are given.

    Raises TypeError if it can't be made one, or if columns of a frame hold no numbers, which are named; ValueError if
    elements are masked.
    """
    if given is None:
        raise TypeError(f"{name} is missing")
    if np.ma.is_masked(given):
        raise ValueError(
            f"{name} has masked elements: choose the rows without them, or what they count as: filled(...)"
        )
    if callable(given) and not hasattr(given, "shape"):
        raise TypeError(f"{name} is a function; pass what it returns: call it")
    try:
        array = np.asarray(_opened(name, given))
    except (ValueError, RuntimeError) as error:
        raise TypeError(f"{name} can't be made an array: {error}") from None
    return array if array.dtype.name != "bfloat16" else array.astype(np.float32)


def _opened(name, given):
    """What NumPy can make an array of."""
    if hasattr(given, "to_numpy"):
        return _of_frame(name, given) if hasattr(given, "columns") else _of_column(given)
    if hasattr(given, "detach"):  # a tensor of PyTorch's
        given = given.detach().cpu()
        return given.float() if str(given.dtype) == "torch.bfloat16" else given
    if hasattr(given, "__cuda_array_interface__") and hasattr(given, "get"):
        return given.get()
    if hasattr(given, "__dlpack__") and not hasattr(given, "__array__"):
        return np.from_dlpack(given)
    return given


def _of_frame(name, frame):
    """All columns at once where they share a dtype of numbers, else one by one."""
    whole = frame.to_numpy()
    if whole.dtype.kind in NUMBERS:
        return whole
    columns = frame.items() if hasattr(frame, "items") else zip(frame.columns, frame, strict=True)
    arrays = [(str(column), _of_column(values)) for column, values in columns]
    wrong = [column for column, array in arrays if array.dtype.kind not in NUMBERS]
    if wrong:
        raise TypeError(f"{name} must hold numbers; the columns {wrong} hold none: encode them first")
    return np.column_stack([array for _, array in arrays])


def _of_column(values) -> np.ndarray:
    """A column whose dtype is one of numbers that may be missing has NaN where they are."""
    array = values.to_numpy()
    if array.dtype.kind == "O" and getattr(values.dtype, "kind", "O") in NUMBERS:
        return values.to_numpy(dtype=np.float64, na_value=np.nan)
    return array
