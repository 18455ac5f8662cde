"""What can be computed: functions of arrays that compute at once, and of symbols that record themselves.

Names, arguments and defaults are those of `keras.ops`.
"""

from sys import modules as _modules

from gpubp.ops.activations import (
    celu,
    elu,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    log_softmax,
    mish,
    relu6,
    selu,
    silu,
    soft_shrink,
    softmax,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    squareplus,
    swish,
    tanh_shrink,
    threshold,
)
from gpubp.ops.checks import check_finite
from gpubp.ops.contractions import dot, einsum, outer, tensordot
from gpubp.ops.creation import (
    arange,
    convert_to_numpy,
    convert_to_tensor,
    eye,
    full,
    full_like,
    identity,
    ones,
    ones_like,
    shape,
    zeros,
    zeros_like,
)
from gpubp.ops.elementwise import (
    abs,
    absolute,
    add,
    ceil,
    clip,
    cos,
    divide,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    log,
    log1p,
    logaddexp,
    maximum,
    minimum,
    mod,
    multiply,
    negative,
    power,
    reciprocal,
    relu,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    subtract,
    tanh,
    true_divide,
)
from gpubp.ops.indexing import label_mask, one_hot, take, take_along_axis, take_rows, take_sparse_rows
from gpubp.ops.joining import concatenate, stack
from gpubp.ops.linalg import matmul
from gpubp.ops.logic import (
    cast,
    equal,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    stop_gradient,
    where,
)
from gpubp.ops.padding import pad, slice_update
from gpubp.ops.random import random_keep, random_normal, random_uniform
from gpubp.ops.reductions import (
    all,
    any,
    argmax,
    argmin,
    count,
    count_nonzero,
    logsumexp,
    max,
    mean,
    min,
    prod,
    sum,
)
from gpubp.ops.scans import cumsum
from gpubp.ops.shaping import (
    broadcast_to,
    expand_dims,
    moveaxis,
    ravel,
    repeat,
    reshape,
    squeeze,
    swapaxes,
    tile,
    transpose,
)
from gpubp.ops.slicing import flip, getitem, roll, slice, split, unstack
from gpubp.ops.sorting import argsort, in_top_k, sort, top_k
from gpubp.ops.statistics import norm, normalize, std, var

nn = numpy = _modules[__name__]  # where Keras has the same functions a second time
