"""Layers: functions of arrays with variables, written in ops."""

from gpubp.layers.activations import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
from gpubp.layers.base import Layer
from gpubp.layers.core import Dense, Identity, Input, InputLayer, Lambda
from gpubp.layers.embedding import Embedding
from gpubp.layers.input_spec import InputSpec
from gpubp.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Merge,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from gpubp.layers.normalization import BatchNormalization, LayerNormalization, RMSNormalization
from gpubp.layers.preprocessing import Normalization, Rescaling
from gpubp.layers.regularization import ActivityRegularization, AlphaDropout, Dropout, GaussianDropout, GaussianNoise
from gpubp.layers.reshaping import Flatten, Permute, RepeatVector, Reshape

KINDS = (
    *(Dense, Embedding, Identity, InputLayer, Lambda),
    *(Activation, ELU, LeakyReLU, PReLU, ReLU, Softmax),
    *(BatchNormalization, LayerNormalization, RMSNormalization, Normalization, Rescaling),
    *(ActivityRegularization, AlphaDropout, Dropout, GaussianDropout, GaussianNoise),
    *(Flatten, Permute, RepeatVector, Reshape),
    *(Add, Average, Concatenate, Dot, Maximum, Minimum, Multiply, Subtract),
)
CLASSES = {c.__name__: c for c in KINDS} | {"Input": InputLayer}
