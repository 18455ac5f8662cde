"""What can be computed: functions of arrays that compute at once, and of symbols that record themselves."""

from gpubp.ops.activations import log_softmax, softmax
from gpubp.ops.checks import check_finite
from gpubp.ops.elementwise import (
    abs,
    add,
    cast,
    clip,
    cos,
    divide,
    equal,
    erf,
    exp,
    expm1,
    greater,
    greater_equal,
    isfinite,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    logical_and,
    logical_or,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    relu,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    stop_gradient,
    subtract,
    tanh,
    where,
)
from gpubp.ops.indexing import label_mask, one_hot, take_rows
from gpubp.ops.linalg import dot, matmul
from gpubp.ops.random import random_keep
from gpubp.ops.reductions import argmax, count, logsumexp, max, mean, min, sum
from gpubp.ops.shaping import arange, broadcast_to, expand_dims, reshape, squeeze, transpose
