"""gpubp trains multilayer perceptrons by running each training step as a compiled program."""

import importlib as _importlib
import typing as _typing

from gpubp import activations as activations
from gpubp import backend as backend
from gpubp import callbacks as callbacks
from gpubp import config as config
from gpubp import constraints as constraints
from gpubp import dtype_policies as dtype_policies
from gpubp import initializers as initializers
from gpubp import layers as layers
from gpubp import losses as losses
from gpubp import metrics as metrics
from gpubp import mixed_precision as mixed_precision
from gpubp import models as models
from gpubp import ops as ops
from gpubp import optimizers as optimizers
from gpubp import random as random
from gpubp import regularizers as regularizers
from gpubp import saving as saving
from gpubp import utils as utils
from gpubp.backend import asnumpy as asnumpy
from gpubp.backend import device as device
from gpubp.backend import devices as devices
from gpubp.backend import get_array_module as get_array_module
from gpubp.backend import set_device as set_device
from gpubp.engine.diagnose import NonFiniteError as NonFiniteError
from gpubp.engine.functions import compile as compile
from gpubp.engine.functions import grad as grad
from gpubp.engine.functions import value_and_grad as value_and_grad
from gpubp.engine.gradcheck import gradcheck as gradcheck
from gpubp.engine.variables import Variable as Variable
from gpubp.initializers import Initializer as Initializer
from gpubp.layers import Input as Input
from gpubp.layers import InputSpec as InputSpec
from gpubp.layers import Layer as Layer
from gpubp.losses import Loss as Loss
from gpubp.metrics import Metric as Metric
from gpubp.models import Model as Model
from gpubp.models import Sequential as Sequential
from gpubp.models import clone_model as clone_model
from gpubp.optimizers import Optimizer as Optimizer
from gpubp.regularizers import Regularizer as Regularizer
from gpubp.saving import load_model as load_model
from gpubp.utils import set_random_seed as set_random_seed

if _typing.TYPE_CHECKING:
    from gpubp import datasets as datasets


def __getattr__(name: str):
    """Imports at their first use what takes a fifth of the time of gpubp: readers of archives and metadata."""
    if name == "datasets":
        return _importlib.import_module("gpubp.datasets")
    if name == "__version__":
        return _importlib.import_module("importlib.metadata").version("gpubp")
    raise AttributeError(f"module 'gpubp' has no attribute {name!r}")
