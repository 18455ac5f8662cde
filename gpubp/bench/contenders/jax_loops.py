"""JAX: a jitted step in a Python loop, and a jitted `lax.scan` over the epoch."""

from functools import partial
from itertools import product
from time import perf_counter
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from jax.flatten_util import ravel_pytree

from ..case import BETA_1, BETA_2, EPSILON, NORM_EPSILON, NORM_MOMENTUM, SEED
from .base import Contender


class Jit(Contender):
    """One jitted call a step, in which the batch is gathered; the state is donated.

    Its parameters are a tuple (kernels and biases, scales and shifts); its state these, the moments, the powers of the
    betas, the moving statistics and the key of the next masks.
    """

    packages = ("jax", "jaxlib")
    note = "a jitted step in a Python loop"
    flat = False

    def __init__(self, case, problem):
        super().__init__(case, problem)
        if case.dtype == "float64":
            jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_default_prng_impl", "rbg")  # cheaper masks than by the default
        y = problem.y if case.regression else problem.y.astype(np.int32)
        self.x, self.y = jax.device_put((problem.x, y))
        norms = [(jnp.ones(n, case.dtype), jnp.zeros(n, case.dtype)) for n in case.widths[1:-1] if case.batch_norm]
        self.initial = ([jnp.asarray(w) for w in problem.weights], norms)
        self.build()
        self.infer = jax.jit(self._infer)

    def build(self):
        """Makes what runs an epoch, or a step of it."""
        self._choose_parameters()
        self.run = jax.jit(self._step, donate_argnums=0)

    def _choose_parameters(self):
        flat, unravel = ravel_pytree(self.initial)
        self.parameters: Any = flat if self.flat else self.initial
        self.tree: Any = unravel if self.flat else lambda p: p

    def reset(self):
        zeros = [jax.tree.map(jnp.zeros_like, self.parameters) for _ in range(2)]
        stats = [(jnp.zeros_like(shift), jnp.ones_like(shift)) for _, shift in self.initial[1]]
        powers = jnp.ones(2, self.case.dtype)
        self.state = (jax.tree.map(jnp.array, self.parameters), *zeros, powers, stats, jax.random.key(SEED))
        jax.block_until_ready(self.state)

    def epoch(self):
        total = 0.0
        for picked in self.batches():
            self.state, loss = self.run(self.state, picked, self.x, self.y)
            total += loss * len(picked)
        jax.block_until_ready(self.state)
        return float(total) / len(self.order)

    def predict(self, x):
        return np.asarray(self.infer(self.state[0], self.state[4], x))

    def _network(self, p, stats, x, key):
        """The output and the new statistics; without a key those of before are used, and there is no dropout."""
        weights, norms = self.tree(p)
        moved = []
        for k, (w, b) in enumerate(zip(weights[:-2:2], weights[1:-2:2], strict=True)):
            x = self._product(x, w) + b
            if norms:
                found = stats[k] if key is None else (x.mean(axis=0), x.var(axis=0))
                x = (x - found[0]) * (jax.lax.rsqrt(found[1] + NORM_EPSILON) * norms[k][0]) + norms[k][1]
                moved.append(jax.tree.map(self._moved, stats[k], found))
            x = jax.nn.relu(x)
            if self.case.dropout and key is not None:
                kept = 1 - self.case.dropout
                mask = jax.random.bernoulli(jax.random.fold_in(key, k), kept, x.shape)
                x = jnp.where(mask, x / kept, 0)
        return self._product(x, weights[-2]) + weights[-1], moved

    @staticmethod
    def _product(x, w):
        return x @ w

    @staticmethod
    def _moved(old, new):
        return NORM_MOMENTUM * old + (1 - NORM_MOMENTUM) * new

    def _loss(self, p, stats, x, y, key):
        z, moved = self._network(p, stats, x, key)
        if self.case.regression:
            return jnp.mean((z - y) ** 2), moved
        hit = y[:, None] == jnp.arange(z.shape[1])  # faster here than take_along_axis
        return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.sum(jnp.where(hit, z, 0), axis=1)), moved

    def _step(self, state, picked, x, y):
        p, m, v, powers, stats, key = state
        key, own = jax.random.split(key) if self.case.dropout else (key, key)
        (value, stats), g = jax.value_and_grad(self._loss, has_aux=True)(p, stats, x[picked], y[picked], own)
        if self.case.optimizer == "sgd":
            return (jax.tree.map(lambda p, g: p - self.case.rate * g, p, g), m, v, powers, stats, key), value
        powers = powers * jnp.array([BETA_1, BETA_2], powers.dtype)  # carried, which saves two pow a step
        m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, g)
        v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, g)
        rate = self.case.rate * jnp.sqrt(1 - powers[1]) / (1 - powers[0])
        p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), p, m, v)
        return (p, m, v, powers, stats, key), value

    def _infer(self, p, stats, x):
        z, _ = self._network(p, stats, x, None)
        return z if self.case.regression else jax.nn.softmax(z)


class Scan(Jit):
    """One jitted call an epoch. Rows that fill no batch are left out, as is usual with `lax.scan`.

    Several ways to write it are timed before the measurement, and the fastest one for the case is taken: parameters as
    a list of arrays or as one flat vector, the loop as it is or unrolled.
    """

    unroll, unrolls = 1, (1, 2)

    def tune(self):
        seconds, ways = {}, product((False, True), self.unrolls)
        for self.flat, self.unroll in ways:
            self.build()
            seconds[self.flat, self.unroll] = min(self._tried() for _ in range(3))
        self.flat, self.unroll = min(seconds, key=seconds.__getitem__)
        self.build()

    def _tried(self) -> float:
        self.reset()
        self.epoch()
        start = perf_counter()
        self.epoch()
        return perf_counter() - start

    def build(self):
        self._choose_parameters()
        self.note = f"{'flat vector' if self.flat else 'list of arrays'}, unroll={self.unroll}"
        self.run = jax.jit(self._scan, donate_argnums=0)

    def _scan(self, state, order, x, y):
        state, losses = jax.lax.scan(partial(self._step, x=x, y=y), state, order, unroll=self.unroll)
        return state, losses.mean()

    def epoch(self):
        self.state, loss = self.run(self.state, self._rows(), self.x, self.y)
        jax.block_until_ready(self.state)
        return float(loss)

    def _rows(self):
        """Those of each step."""
        steps = len(self.order) // self.case.batch
        return self.order[: steps * self.case.batch].astype(np.int32).reshape(steps, self.case.batch)
