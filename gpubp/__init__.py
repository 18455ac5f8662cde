"""gpubp trains multilayer perceptrons by running each training step as a compiled program."""

from gpubp import activations as activations
from gpubp import initializers as initializers
from gpubp import layers as layers
from gpubp import losses as losses
from gpubp import metrics as metrics
from gpubp import ops as ops
from gpubp import optimizers as optimizers
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
from gpubp.layers import Input as Input
from gpubp.models import Sequential as Sequential
from gpubp.saving import load_model as load_model
from gpubp.utils import set_random_seed as set_random_seed
