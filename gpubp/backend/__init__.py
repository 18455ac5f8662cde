"""Where arrays live and who computes."""

from typing import Any

import numpy as np

from gpubp.backend.choice import current_device as current_device
from gpubp.backend.choice import device as device
from gpubp.backend.choice import devices as devices
from gpubp.backend.choice import set_device as set_device
from gpubp.config import clear_session as clear_session
from gpubp.config import epsilon as epsilon
from gpubp.config import floatx as floatx
from gpubp.config import set_epsilon as set_epsilon
from gpubp.config import set_floatx as set_floatx


def asnumpy(x) -> np.ndarray:
    """An array of any device, or whatever NumPy makes an array of, as a NumPy array."""
    if type(x) is np.ndarray:
        return x
    x = x.detach() if hasattr(x, "detach") else x  # of PyTorch's tensors, those with gradients refuse all else
    if _on_gpu(x) and hasattr(x, "get"):  # CuPy's
        return x.get()
    return np.asarray(x.cpu() if hasattr(x, "cpu") else x)


def get_array_module(*arrays) -> Any:
    """The module whose functions compute with these arrays: CuPy if one of them is on a GPU, else NumPy."""
    if any(map(_on_gpu, arrays)):
        from gpubp.backend.cuda import array_module

        return array_module()
    return np


def _on_gpu(x) -> bool:
    return hasattr(x, "__cuda_array_interface__")
