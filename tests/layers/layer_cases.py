"""The table of all layers, from which the tests of `test_layers.py` come: a new layer is one more entry."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from gpubp import layers, ops

ROWS = 5


@dataclass
class Case:
    """One way to use a layer.

    Arguments:
        make: makes the layer, given further arguments of Layer.
        oracle: the output in NumPy for the inputs, followed by the weights by name.
        shapes: of the inputs without the rows; several for a layer of several.
        trained: the output in training, where it is another; "random" where it has no oracle.
        wrong: shapes of inputs that the layer refuses after it has seen those above.
        indices: one more than the largest integer of inputs that are integers.
    """

    make: Callable
    oracle: Callable
    shapes: tuple = ((4,),)
    trained: Callable | str | None = None
    wrong: tuple = ()
    indices: int | None = None

    @property
    def several(self) -> bool:
        return issubclass(type(self.make()), layers.Merge)

    def inputs(self, dtype="float64", rows=ROWS, seed=0):
        """An array, or a list of them for a layer of several."""
        rng = np.random.default_rng(seed)
        return self.draw(self.shapes, rng, dtype, rows)

    def draw(self, shapes, rng, dtype="float64", rows=ROWS):
        if self.indices is not None:
            return rng.integers(0, self.indices, (rows, *shapes[0]))
        arrays = [rng.standard_normal((rows, *shape)).astype(dtype) for shape in shapes]
        return arrays if self.several else arrays[0]

    def built(self, dtype="float64", seed=1):
        """The layer with weights that nothing is special about."""
        layer = self.make(dtype=dtype, name="tested")
        layer(self.inputs(dtype))
        rng = np.random.default_rng(seed)
        for v in layer.variables:
            signs = [1] if v.name in POSITIVE else [-1, 1]
            v.assign(rng.uniform(0.5, 1.5, v.shape) * rng.choice(signs, v.shape))
        return layer


POSITIVE = ("tested/variance", "tested/moving_variance")


def normalised(x, mean, variance, epsilon, gamma=1.0, beta=0.0):
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def spread(weights, axes, x):
    """Weights along axes of x in shapes that broadcast to it."""
    shape = [n if a in axes else 1 for a, n in enumerate(x.shape)]
    return {name: np.reshape(w, shape) for name, w in weights.items()}


def by_rows(axes, epsilon=1e-3):
    """Layer normalisation."""

    def oracle(x, **weights):
        return normalised(
            x, x.mean(axes, keepdims=True), x.var(axes, keepdims=True), epsilon, **spread(weights, axes, x)
        )

    return oracle


def by_batch(axis, epsilon=1e-3):
    """Batch normalisation in training."""

    def oracle(x, moving_mean, moving_variance, **weights):
        others = tuple(a for a in range(x.ndim) if a != axis)
        mean, variance = x.mean(others, keepdims=True), x.var(others, keepdims=True)
        return normalised(x, mean, variance, epsilon, **spread(weights, (axis,), x))

    return oracle


def by_averages(axis, epsilon=1e-3):
    """Batch normalisation by the moving averages."""

    def oracle(x, **weights):
        shaped = spread(weights, (axis,), x)
        mean, variance = shaped.pop("moving_mean"), shaped.pop("moving_variance")
        return normalised(x, mean, variance, epsilon, **shaped)

    return oracle


def keep(x):
    return x


def batch_norm(axis, *shape, **options):
    return Case(
        lambda **o: layers.BatchNormalization(axis, **options, **o),
        by_averages(axis % (len(shape) + 1), options.get("epsilon", 1e-3)),
        (shape,),
        by_batch(axis % (len(shape) + 1), options.get("epsilon", 1e-3)),
        wrong=((shape[0] + 1, *(n + 1 for n in shape[1:])), (*shape, 2)),
    )


def layer_norm(axis, axes, *shape, **options):
    return Case(
        lambda **o: layers.LayerNormalization(axis, **options, **o),
        by_rows(axes, options.get("epsilon", 1e-3)),
        (shape,),
        wrong=((*shape[:-1], shape[-1] + 1),),
    )


def merged(kind, oracle, *shapes, wrong=(((4,), (5,)), ((4, 4), (3, 4))), **options):
    return Case(lambda **o: kind(**options, **o), oracle, shapes or ((4,), (4,), (4,)), wrong=wrong)


def average(*xs):
    return sum(xs) / len(xs)


def cosine(x, y):
    return np.sum(x * y, 1, keepdims=True) / np.linalg.norm(x, axis=1)[:, None] / np.linalg.norm(y, axis=1)[:, None]


def scaled(x, scale, shift):
    return x * scale + shift


CASES = {
    "Dense": Case(
        lambda **o: layers.Dense(3, "tanh", **o),
        lambda x, kernel, bias: np.tanh(x @ kernel + bias),
        wrong=((5,), ()),
    ),
    "Dense, 3 dimensions, no bias": Case(
        lambda **o: layers.Dense(3, use_bias=False, **o), lambda x, kernel: x @ kernel, ((2, 4),), wrong=((4, 2),)
    ),
    "Dense, penalties": Case(
        lambda **o: layers.Dense(
            2,
            kernel_regularizer="l2",
            bias_regularizer="l1",
            activity_regularizer="l2",
            kernel_constraint="max_norm",
            bias_constraint="non_neg",
            **o,
        ),
        lambda x, kernel, bias: x @ kernel + bias,
    ),
    "Embedding": Case(lambda **o: layers.Embedding(7, 3, **o), lambda i, embeddings: embeddings[i], ((2,),), indices=7),
    "Embedding, one index": Case(
        lambda **o: layers.Embedding(3, 2, "glorot_normal", **o), lambda i, embeddings: embeddings[i], ((),), indices=3
    ),
    "Identity": Case(lambda **o: layers.Identity(**o), keep),
    "InputLayer": Case(lambda dtype=None, **o: layers.InputLayer((4,), dtype=dtype, **o), keep),
    "Lambda": Case(lambda **o: layers.Lambda(ops.square, **o), np.square),
    "Lambda, arguments": Case(
        lambda **o: layers.Lambda(scaled, arguments={"scale": 2.0, "shift": 1.0}, **o), lambda x: 2 * x + 1
    ),
    "Activation": Case(lambda **o: layers.Activation("sigmoid", **o), special.expit, ((2, 3),)),
    "ReLU": Case(lambda **o: layers.ReLU(**o), lambda x: np.maximum(x, 0)),
    "ReLU, bent": Case(
        lambda **o: layers.ReLU(1.0, 0.1, 0.5, **o),
        lambda x: np.where(x > 0.5, np.minimum(x, 1), 0.1 * (x - 0.5)),
        ((3, 6),),
    ),
    "LeakyReLU": Case(lambda **o: layers.LeakyReLU(**o), lambda x: np.where(x < 0, 0.3 * x, x)),
    "PReLU": Case(
        lambda **o: layers.PReLU(**o),
        lambda x, alpha: np.where(x < 0, alpha * x, x),
        ((3, 2),),
        wrong=((3, 3), (2, 2), (3,)),
    ),
    "PReLU, shared": Case(
        lambda **o: layers.PReLU("ones", shared_axes=1, **o),
        lambda x, alpha: np.where(x < 0, alpha * x, x),
        ((3, 2),),
        wrong=((3, 3),),
    ),
    "ELU": Case(lambda **o: layers.ELU(0.7, **o), lambda x: np.where(x < 0, 0.7 * np.expm1(x), x)),
    "Softmax": Case(lambda **o: layers.Softmax(**o), lambda x: special.softmax(x, -1)),
    "Softmax, two axes": Case(
        lambda **o: layers.Softmax([1, 2], **o), lambda x: special.softmax(x, (1, 2)), ((2, 3),), wrong=((3,),)
    ),
    "BatchNormalization": batch_norm(-1, 4),
    "BatchNormalization, 3 dimensions": batch_norm(-1, 3, 4, epsilon=0.1, momentum=0.5),
    "BatchNormalization, first axis": batch_norm(1, 3, 2),
    "BatchNormalization, bare": batch_norm(-1, 4, center=False, scale=False),
    "LayerNormalization": layer_norm(-1, (1,), 4),
    "LayerNormalization, two axes": layer_norm([1, 2], (1, 2), 3, 4, epsilon=0.01),
    "LayerNormalization, first axis": Case(
        lambda **o: layers.LayerNormalization(1, **o), by_rows((1,)), ((3, 2),), wrong=((2, 2),)
    ),
    "LayerNormalization, bare": layer_norm(-1, (1,), 4, center=False, scale=False),
    "RMSNormalization": Case(
        lambda **o: layers.RMSNormalization(**o),
        lambda x, scale: x / np.sqrt(np.mean(x**2, -1, keepdims=True) + 1e-6) * scale,
        wrong=((5,),),
    ),
    "RMSNormalization, first axis": Case(
        lambda **o: layers.RMSNormalization(1, 0.1, **o),
        lambda x, scale: x / np.sqrt(np.mean(x**2, 1, keepdims=True) + 0.1) * scale[:, None],
        ((3, 2),),
    ),
    "Normalization": Case(
        lambda **o: layers.Normalization(**o),
        lambda x, mean, variance: (x - mean) / np.sqrt(variance),
        wrong=((5,), (2, 4)),
    ),
    "Normalization, first axis": Case(
        lambda **o: layers.Normalization(1, **o),
        lambda x, mean, variance: (x - mean[:, None]) / np.sqrt(variance)[:, None],
        ((3, 2),),
    ),
    "Normalization, of all": Case(
        lambda **o: layers.Normalization(None, **o), lambda x, mean, variance: (x - mean) / np.sqrt(variance)
    ),
    "Normalization, inverted": Case(
        lambda **o: layers.Normalization(invert=True, mean=[0.1, 0.2, 0.3, 0.4], variance=[0.1, 0.4, 0.9, 1.6], **o),
        lambda x, mean, variance: x * np.sqrt(variance) + mean,
    ),
    "Rescaling": Case(lambda **o: layers.Rescaling(0.5, [1, 2, 3, 4], **o), lambda x: x / 2 + np.arange(1, 5)),
    "Rescaling, of bytes": Case(lambda **o: layers.Rescaling(1 / 255, **o), lambda x: x / 255, indices=256),
    "ActivityRegularization": Case(lambda **o: layers.ActivityRegularization(0.1, 0.2, **o), keep),
    "Dropout": Case(lambda **o: layers.Dropout(0.4, **o), keep, trained="random"),
    "Dropout, same for all columns": Case(
        lambda **o: layers.Dropout(0.4, (None, 1, 3), 7, **o), keep, ((4, 3),), "random", wrong=((3,),)
    ),
    "AlphaDropout": Case(lambda **o: layers.AlphaDropout(0.2, **o), keep, trained="random"),
    "GaussianDropout": Case(lambda **o: layers.GaussianDropout(0.3, **o), keep, ((2, 3),), trained="random"),
    "GaussianNoise": Case(lambda **o: layers.GaussianNoise(0.5, seed=3, **o), keep, trained="random"),
    "Flatten": Case(lambda **o: layers.Flatten(**o), lambda x: x.reshape(len(x), -1), ((2, 3),)),
    "Flatten, of numbers": Case(lambda **o: layers.Flatten(**o), lambda x: x[:, None], ((),)),
    "Flatten, channels first": Case(
        lambda **o: layers.Flatten("channels_first", **o), lambda x: x.transpose(0, 2, 1).reshape(len(x), -1), ((2, 3),)
    ),
    "Reshape": Case(
        lambda **o: layers.Reshape((3, -1), **o), lambda x: x.reshape(-1, 3, 4), ((2, 6),), wrong=((2, 5),)
    ),
    "Reshape, all told": Case(
        lambda **o: layers.Reshape((6,), **o), lambda x: x.reshape(-1, 6), ((2, 3),), wrong=((7,),)
    ),
    "Permute": Case(
        lambda **o: layers.Permute((2, 3, 1), **o), lambda x: x.transpose(0, 2, 3, 1), ((2, 3, 4),), wrong=((2, 3),)
    ),
    "RepeatVector": Case(
        lambda **o: layers.RepeatVector(3, **o), lambda x: np.repeat(x[:, None], 3, 1), wrong=((2, 3),)
    ),
    "Add": merged(layers.Add, lambda *xs: sum(xs)),
    "Add, broadcast": merged(layers.Add, lambda x, y, z: x + y[:, None] + z, (3, 4), (4,), (1, 4)),
    "Subtract": merged(layers.Subtract, np.subtract, (4,), (4,)),
    "Multiply": merged(layers.Multiply, lambda x, y, z: x * y * z),
    "Average": merged(layers.Average, average),
    "Maximum": merged(layers.Maximum, lambda *xs: np.max(xs, 0)),
    "Minimum": merged(layers.Minimum, lambda *xs: np.min(xs, 0)),
    "Concatenate": merged(
        layers.Concatenate,
        lambda *xs: np.concatenate(xs, -1),
        *((2, 4), (2, 1), (2, 3)),
        wrong=(((2, 4), (3, 4)), ((2,), (2, 2)), ((), ())),
    ),
    "Concatenate, first axis": merged(
        layers.Concatenate,
        lambda *xs: np.concatenate(xs, 1),
        *((2, 4), (1, 4)),
        wrong=(((2, 4), (2, 3)),),
        axis=1,
    ),
    "Dot": merged(layers.Dot, lambda x, y: np.sum(x * y, 1, keepdims=True), (4,), (4,), axes=1),
    "Dot, cosine": merged(layers.Dot, cosine, (4,), (4,), axes=-1, normalize=True, wrong=(((4,), (5,)), ((), ()))),
    "Dot, matrices": merged(
        layers.Dot,
        lambda x, y: np.einsum("bik,bjk->bij", x, y),
        *((3, 4), (2, 4)),
        wrong=(((3, 4), (4, 3)), ((3, 4), (4,)), ((3, 4),)),
        axes=2,
    ),
    "Dot, different axes": merged(
        layers.Dot,
        lambda x, y: np.einsum("bkij,bmk->bijm", x, y),
        *((4, 3, 2), (2, 4)),
        wrong=(((2, 4), (4, 3)),),
        axes=(1, 2),
    ),
    "Dot, a vector": merged(layers.Dot, lambda x, y: np.einsum("bk,bkj->bj", x, y), (4,), (4, 3), axes=1),
}
