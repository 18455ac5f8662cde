"""Functions of elements, products and creation: the second half of the table that `cases.py` begins."""

import numpy as np
from scipy import special

from gpubp.ops.shapes import B

from .cases import PICKING, REDUCING, SHAPING, X, by_numpy, case, value

SQUARE = (B, 3, 3)


ACTIVATIONS = [
    case("relu6", (X,), lambda o, x: o.relu6(4 * x), lambda o, x: o.clip(4 * x, 0.0, 6.0), order=1),
    case("leaky_relu", (X,), lambda o, x: o.leaky_relu(x), lambda o, x: o.where(x > 0, x, 0.2 * x), order=1),
    case("leaky_relu", (X,), lambda o, x: o.leaky_relu(x, 0.1), lambda o, x: o.where(x > 0, x, 0.1 * x), order=1),
    case("elu", (X,), lambda o, x: o.elu(x, 0.7), lambda o, x: o.where(x > 0, x, 0.7 * (o.exp(x) - 1)), order=1),
    case(
        "selu",
        (X,),
        lambda o, x: o.selu(x),
        lambda o, x: 1.0507009873554805 * o.where(x > 0, x, 1.6732632423543772 * (o.exp(x) - 1)),
        order=1,
    ),
    case(
        "celu",
        (X,),
        lambda o, x: o.celu(x, 1.5),
        lambda o, x: o.maximum(x, 0.0) + o.minimum(1.5 * (o.exp(x / 1.5) - 1), 0.0),
        order=1,
    ),
    case(
        "gelu",
        (X,),
        lambda o, x: o.gelu(x),
        lambda o, x: 0.5 * x * (1 + o.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    ),
    by_numpy("gelu", (X,), lambda o, x: o.gelu(x, approximate=False), lambda o, x: x * special.ndtr(x)),
    case("silu", (X,), lambda o, x: o.silu(x), lambda o, x: x / (1 + o.exp(-x))),
    case("swish", (X,), lambda o, x: o.swish(x), lambda o, x: x / (1 + o.exp(-x))),
    case("mish", (X,), lambda o, x: o.mish(x), lambda o, x: x * o.tanh(o.log(1 + o.exp(x)))),
    case("softsign", (X,), lambda o, x: o.softsign(x), lambda o, x: x / (1 + o.abs(x)), order=1),
    case("log_sigmoid", (X,), lambda o, x: o.log_sigmoid(x), lambda o, x: -o.log(1 + o.exp(-x))),
    case("sigmoid", (X,), lambda o, x: o.sigmoid(x), lambda o, x: 1 / (1 + o.exp(-x))),
    case("hard_sigmoid", (X,), lambda o, x: o.hard_sigmoid(3 * x), lambda o, x: o.clip(x / 2 + 0.5, 0, 1), order=1),
    case("hard_silu", (X,), lambda o, x: o.hard_silu(2 * x), lambda o, x: 2 * x * o.clip(x / 3 + 0.5, 0, 1), order=1),
    case("hard_swish", (X,), lambda o, x: o.hard_swish(2 * x), lambda o, x: 2 * x * o.clip(x / 3 + 0.5, 0, 1), order=1),
    case("hard_tanh", (X,), lambda o, x: o.hard_tanh(x), lambda o, x: o.clip(x, -1, 1), order=1),
    case("tanh_shrink", (X,), lambda o, x: o.tanh_shrink(x), lambda o, x: x - o.tanh(x)),
    case("hard_shrink", (X,), lambda o, x: o.hard_shrink(x), lambda o, x: o.where(o.abs(x) > 0.5, x, 0 * x), order=1),
    case(
        "soft_shrink",
        (X,),
        lambda o, x: o.soft_shrink(x, 0.75),
        lambda o, x: o.where(x > 0.75, x - 0.75, o.where(x < -0.75, x + 0.75, 0.0 * x)),
        order=1,
    ),
    case("threshold", (X,), lambda o, x: o.threshold(x, 0.5, -2.0), lambda o, x: o.where(x > 0.5, x, -2.0), order=1),
    case(
        "sparse_plus",
        (X,),
        lambda o, x: o.sparse_plus(x),
        lambda o, x: o.where(x <= -1, 0 * x, o.where(x < 1, (x + 1) ** 2 / 4, x)),
        order=1,
    ),
    case("sparse_sigmoid", (X,), lambda o, x: o.sparse_sigmoid(x), lambda o, x: o.clip(x / 2 + 0.5, 0, 1), order=1),
    case("squareplus", (X,), lambda o, x: o.squareplus(x, 3), lambda o, x: (x + o.sqrt(x**2 + 3)) / 2),
    case("glu", (X,), lambda o, x: o.glu(x), lambda o, x: x[:, :3] / (1 + o.exp(-x[:, 3:]))),
    by_numpy("softmax", (X,), lambda o, x: o.softmax(x), lambda o, x: special.softmax(x, -1)),
    by_numpy("softmax", ((B, 2, 3),), lambda o, x: o.softmax(x, (1, 2)), lambda o, x: special.softmax(x, (1, 2))),
    by_numpy("log_softmax", (X,), lambda o, x: o.log_softmax(x), lambda o, x: special.log_softmax(x, -1)),
]

ELEMENTWISE = [
    case("clip", (X,), lambda o, x: o.clip(x, -0.5, 1.0), order=1),
    case("reciprocal", (X,), lambda o, x: o.reciprocal(x), lambda o, x: 1 / x, domain=(0.5, 2.0)),
    case("rsqrt", (X,), lambda o, x: o.rsqrt(x), lambda o, x: 1 / o.sqrt(x), domain=(0.5, 2.0)),
    value("round", (X,), lambda o, x: o.round(x)),
    value("round", (X,), lambda o, x: o.round(x, 2)),
    value("round", (X,), lambda o, x: o.round(100 * x, -1)),
    value("cast", (X,), lambda o, x: o.cast(x, "float32"), lambda o, x: x.astype("float32")),
    value("cast", (X,), lambda o, x: o.cast(x, "int64"), lambda o, x: x.astype("int64")),
    *(
        value(name, (X, X), lambda o, x, y, name=name: getattr(o, name)(x > 0.0, y > 0.0))
        for name in ("logical_and", "logical_or", "logical_xor")
    ),
    value("logical_and", (X, X), lambda o, x, y: o.logical_and(x, y > 0.0)),
    value("logical_not", (X,), lambda o, x: o.logical_not(x > 0.0)),
]

PRODUCTS = [
    case("matmul", (X, (6, 3)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", (X, (6,)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", ((6,), (6, 3)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", ((6,), (6,)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", (SQUARE, (3, 2)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", ((2, 3), SQUARE), lambda o, x, y: o.matmul(x, y)),
    case("matmul", (SQUARE, SQUARE), lambda o, x, y: o.matmul(x, y)),
    case("matmul", ((B, 2, 3, 4), (B, 2, 4, 5)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", ((B, 1, 3, 4), (2, 4, 5)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", ((1, 9, 8), (B, 8, 7)), lambda o, x, y: o.matmul(x, y)),
    case("matmul", ((3,), SQUARE), lambda o, x, y: o.matmul(x, y)),
    case("matmul", (SQUARE, (3,)), lambda o, x, y: o.matmul(x, y)),
    case("dot", (X, (6, 3)), lambda o, x, y: o.dot(x, y)),
    case("dot", ((6,), (6,)), lambda o, x, y: o.dot(x, y)),
    case("dot", (X, ()), lambda o, x, y: o.dot(x, y)),
    case("dot", (SQUARE, (2, 3, 4)), lambda o, x, y: o.dot(x, y)),
    by_numpy("outer", ((3,), (2, 2)), lambda o, x, y: o.outer(x, y)),
    case("tensordot", ((B, 2, 3), (2, 3, 4)), lambda o, x, y: o.tensordot(x, y)),
    case("tensordot", ((B, 2, 3), (3, 5)), lambda o, x, y: o.tensordot(x, y, axes=1)),
    case("tensordot", ((B, 2, 3), (3, 4, 2)), lambda o, x, y: o.tensordot(x, y, axes=((1, 2), (2, 0)))),
    *(
        case("einsum", shapes, lambda o, *xs, s=subscripts: o.einsum(s, *xs))
        for subscripts, shapes in (
            ("ij,jk->ik", (X, (6, 2))),
            ("ij,kj->ik", (X, (2, 6))),
            ("ij,jk", (X, (6, 2))),
            ("bij,bjk->bik", (SQUARE, SQUARE)),
            ("bij,bkj->bki", (SQUARE, (B, 2, 3))),
            ("bqhd,bkhd->bhqk", ((B, 3, 2, 4), (B, 5, 2, 4))),
            ("bhqk,bkhd->bqhd", ((B, 2, 3, 5), (B, 5, 2, 4))),
            ("bi,bi->b", (X, X)),
            ("bi,bi->", (X, X)),
            ("bi,j->bij", (X, (3,))),
            ("bij,i->j", ((B, 2, 3), (2,))),
            ("ij->ji", (X,)),
            ("ijk->ik", ((B, 2, 3),)),
            ("...i,ij->...j", ((B, 2, 3), (3, 4))),
            ("...ij,...jk->...ik", ((B, 2, 2, 3), (2, 3, 4))),
            ("bi,ij,bj->b", (X, (6, 3), (B, 3))),
        )
    ),
]

CREATION = [
    case("zeros", (X,), lambda o, x: x[:, :2] + o.zeros((o.shape(x)[0], 2))),
    case("ones", (X,), lambda o, x: x * o.ones((o.shape(x)[0], 1)), lambda o, x: 1.0 * x),
    case("full", (X,), lambda o, x: x * o.full((o.shape(x)[0], 6), 2.5), lambda o, x: 2.5 * x),
    case("zeros_like", (X,), lambda o, x: x + o.zeros_like(x), lambda o, x: 1.0 * x),
    case("ones_like", (X,), lambda o, x: x + o.ones_like(x), lambda o, x: x + 1),
    case("full_like", (X,), lambda o, x: x + o.full_like(x, 3), lambda o, x: x + 3),
    by_numpy(
        "shape", (X,), lambda o, x: x * o.cast(o.shape(x)[0] * 2 + 6, x.dtype), lambda o, x: x * (2.0 * len(x) + 6.0)
    ),
    case("arange", (X,), lambda o, x: o.add(x, o.arange(6)), lambda o, x: x + np.arange(6)),
    value("arange", ((1,),), lambda o, x: o.arange(1, 2.5, 0.5), lambda o, x: np.arange(1, 2.5, 0.5, np.float32)),
    value("arange", ((1,),), lambda o, x: o.arange(5, 1, -2), lambda o, x: np.arange(5, 1, -2)),
    case("eye", ((B, 3),), lambda o, x: x @ o.eye(3, 4, 1), lambda o, x: x @ np.eye(3, 4, 1)),
    case("identity", ((B, 3),), lambda o, x: x @ o.identity(3), lambda o, x: 1.0 * x),
    case("convert_to_tensor", (X,), lambda o, x: o.convert_to_tensor(x) * 2.0, lambda o, x: x * 2.0),
    value("convert_to_tensor", (X,), lambda o, x: o.convert_to_tensor(x, "float32"), lambda o, x: x.astype("float32")),
    value("convert_to_numpy", ((1,),), lambda o, x: o.convert_to_numpy([1, 2]), lambda o, x: np.array([1, 2])),
]

CASES = [*SHAPING, *PICKING, *REDUCING, *ACTIVATIONS, *ELEMENTWISE, *PRODUCTS, *CREATION]
