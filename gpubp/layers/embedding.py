"""Vectors for indices."""

import numpy as np

from gpubp import ops
from gpubp.layers.base import Layer
from gpubp.layers.weights import keep_options, make_weight, options_of
from gpubp.ops.indexing import check_index


class Embedding(Layer):
    """A learned vector for each index: (rows, ...) int -> (rows, ..., output_dim).

    Arguments:
        input_dim: number of indices, which go from 0 to input_dim - 1.
        output_dim: length of a vector.
        embeddings_initializer, embeddings_regularizer, embeddings_constraint: of the weight `embeddings`
            (input_dim, output_dim). Defaults "uniform", none, none.
        mask_zero: must be False: gpubp has no masks.
        weights: array (input_dim, output_dim) of initial values. Default none.
        others: as of Layer.

    Raises:
        ValueError: for sizes that are not positive ints, or mask_zero; at the call, for an index out of range.

    Source: https://keras.io/api/layers/core_layers/embedding

    >>> import numpy as np
    >>> from gpubp import layers
    >>> layers.Embedding(3, 2, weights=np.array([[0, 1], [2, 3], [4, 5]]))(np.array([[2], [0]])).tolist()
    [[[4.0, 5.0]], [[0.0, 1.0]]]
    """

    takes_integers = True

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer="uniform",
        embeddings_regularizer=None,
        embeddings_constraint=None,
        mask_zero=False,
        weights=None,
        **others,
    ):
        super().__init__(**others)
        for name, n in (("input_dim", input_dim), ("output_dim", output_dim)):
            if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
                raise ValueError(f"Embedding: {name} must be a positive int; it is {n!r}")
        if mask_zero:
            raise ValueError(
                "Embedding: mask_zero is not supported, since gpubp has no masks; multiply by one of yours"
            )
        self.vocabulary, self.output_dim = int(input_dim), int(output_dim)
        keep_options(self, "embeddings", embeddings_initializer, embeddings_regularizer, embeddings_constraint)
        if weights is not None:
            self.build_once(None)
            self.set_weights(weights if isinstance(weights, list) else [weights])

    @property
    def input_dim(self) -> int:
        """The number of indices."""
        return self.vocabulary

    def build(self, input_shape):
        self.embeddings = make_weight(self, "embeddings", (self.input_dim, self.output_dim))

    def call(self, inputs):
        try:
            index = check_index(ops.cast(inputs, "int64"), self.input_dim, what="index")
        except IndexError as error:
            raise ValueError(f"the layer {self.name!r}: {error}") from None
        return ops.take(self.embeddings, index, axis=0)

    def get_config(self):
        own = {"input_dim": self.input_dim, "output_dim": self.output_dim}
        return {**super().get_config(), **own, **options_of(self, "embeddings")}
