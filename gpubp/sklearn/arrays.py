"""Arrays of other libraries under scikit-learn's array API dispatch: results are of the library that inputs are of."""

from typing import Any

import numpy as np
from sklearn.utils._array_api import get_namespace, get_namespace_and_device

from gpubp.backend import current_device
from gpubp.training import frames


def foreign(x: Any) -> bool:
    """Whether this is another library's array, and `sklearn.set_config(array_api_dispatch=True)` lets it in."""
    return get_namespace(x)[1] and not isinstance(x, np.ndarray | np.generic)


def on_host(name: str, x: Any) -> Any:
    """A foreign array as NumPy's; all else as it is."""
    return frames.dense(name, x) if foreign(x) else x


def where_read(x: Any) -> Any:
    """A foreign array of inputs where it lies, if that is the device that computes, else NumPy's; all else as it is."""
    there = current_device().adopt(x) if foreign(x) else None
    return on_host("X", x) if there is None else there


def like(x: Any, result: np.ndarray) -> Any:
    """A result as an array of the library and the device of `x`. Texts, which other libraries lack, stay NumPy's."""
    if not foreign(x) or result.dtype.kind not in "biuf":
        return result
    namespace, _, device = get_namespace_and_device(x)
    return namespace.asarray(result, device=device)
