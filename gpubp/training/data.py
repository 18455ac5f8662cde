"""The caller's arrays, checked before anything changes."""

import numpy as np

from gpubp.training.programs import Source


def checked(name: str, array, shape: tuple | None = None) -> np.ndarray:
    """An array of numbers with rows, C-contiguous, in a dtype that programs read.

    Raises TypeError for other dtypes, and ValueError where there are no rows or the shape of a row is not `shape`.
    """
    array = np.asarray(array)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold numbers; its dtype is {array.dtype}")
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} must have rows; its shape is {array.shape}")
    if shape is not None and array.shape[1:] != shape:
        raise ValueError(f"{name} must have shape (rows, {', '.join(map(str, shape))}); its shape is {array.shape}")
    if array.dtype == np.float16 or array.dtype.itemsize > 8:
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    return np.ascontiguousarray(array)


def same_rows(x: np.ndarray, y: np.ndarray):
    """Raises ValueError if the numbers of rows differ."""
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} rows and y has {len(y)}; they must be as many")


def source(segment: str, array: np.ndarray) -> Source:
    """What a program needs to know of an array."""
    return Source(segment, array.dtype, array.shape[1:])


def split(x, y, share: float):
    """(x, y) of training and of validation: the last share of the rows, as in Keras.

    Raises ValueError if the share is not between 0 and 1 or leaves one side without rows.
    """
    held = int(len(x) * (1 - share))
    if not 0 < share < 1 or held in (0, len(x)):
        raise ValueError(f"validation_split={share} of {len(x)} rows leaves one side empty")
    return (x[:held], y[:held]), (x[held:], y[held:])
