"""gpubp trains multilayer perceptrons by running each training step as a compiled program."""

from gpubp.engine.functions import compile as compile
from gpubp.engine.functions import grad as grad
from gpubp.engine.functions import value_and_grad as value_and_grad
