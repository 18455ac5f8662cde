"""JAX on a GPU: `lax.scan` over the epoch."""

import os

import jax

from gpubp.bench.contenders import jax_loops
from gpubp.bench.contenders.base import UnableError

# What float32 factors may be rounded to; of half precision they are what they are.
PRECISIONS = {"float32": "float32", "tf32": "tensorfloat32"}


class Scan(jax_loops.Scan):
    """The fastest of some ways to write it; data and order lie on the GPU.

    Arguments:
        precision: a policy of gpubp; of the mixed ones weights and moments are float32, and their products' factors
            and results in half precision. Of float16 the loss is not scaled.
        unroll: steps that the body of the loop holds. Default None: one or eight, as is faster.
    """

    platform = "gpu"
    unrolls = (1, 8)

    def __init__(self, case, problem, precision, unroll=None):
        if jax.default_backend() != self.platform:
            raise UnableError("this JAX does not see a GPU")
        jax.config.update("jax_default_matmul_precision", PRECISIONS.get(precision))
        self.half = precision.removeprefix("mixed_") if precision.startswith("mixed_") else None
        self.unrolls = self.unrolls if unroll is None else (unroll,)
        super().__init__(case, problem)
        self.rows = jax.device_put(super()._rows())

    def _rows(self):
        return self.rows

    def _product(self, x, w):
        return x.astype(self.half) @ w.astype(self.half) if self.half else x @ w


def in_graphs(case, problem, precision):
    """The loop itself as a CUDA graph, too, which XLA leaves to the host by default."""
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_enable_command_buffer=+WHILE".strip()
    return Scan(case, problem, precision)
