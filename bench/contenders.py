"""Who is timed: each contender trains the same net, from the same weights, on the same batches, in its own process.

`python contenders.py NAME` is such a process: it reads the case as a line of JSON, gets ready, answers with a line, and
then times one epoch for each further line that comes in. To add a contender, write a class with `reset` and `epoch` and
put it into CONTENDERS.
"""

import json
import sys
import time
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from itertools import pairwise, product

import numpy as np

RATE, BETA_1, BETA_2, EPSILON = 0.001, 0.9, 0.999, 1e-8
SEED = 1


@dataclass(frozen=True)
class Case:
    """A net with ReLU hidden layers and softmax cross-entropy, and an epoch of `steps` batches to train it on."""

    widths: tuple[int, ...]
    batch: int
    steps: int

    @property
    def name(self) -> str:
        return "-".join(map(str, self.widths))

    @property
    def rows(self) -> int:
        return self.batch * self.steps

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """float32 rows, and as labels the largest of random linear functions of them."""
        rng = np.random.default_rng(SEED)
        x = rng.standard_normal((self.rows, self.widths[0]), np.float32)
        return x, np.argmax(x @ rng.standard_normal((self.widths[0], self.widths[-1]), np.float32), axis=1)

    @cached_property
    def weights(self) -> list[np.ndarray]:
        """Kernel and bias of each layer at the start."""
        rng = np.random.default_rng(SEED + 1)
        return [
            w
            for m, n in pairwise(self.widths)
            for w in ((2 / m) ** 0.5 * rng.standard_normal((m, n), np.float32), np.zeros(n, np.float32))
        ]

    @cached_property
    def order(self) -> np.ndarray:
        """The rows of each batch, (steps, batch): the order in which gpubp itself shuffles them."""
        from gpubp.ops.philox import permutation

        return permutation(self.rows, SEED, 0).reshape(self.steps, self.batch)


class Gpubp:
    """`fit` as users call it: shuffling, gathering and the mean loss included."""

    packages = ("gpubp", "numpy", "numba", "scipy")
    note = "Sequential.fit"

    def __init__(self, case: Case):
        import gpubp

        hidden = [gpubp.layers.Dense(n, "relu") for n in case.widths[1:-1]]
        self.case = case
        self.model = gpubp.Sequential([gpubp.Input(case.widths[:1]), *hidden, gpubp.layers.Dense(case.widths[-1])])
        self.model.seed = SEED
        self.model.compile(
            gpubp.optimizers.Adam(RATE, BETA_1, BETA_2, EPSILON),
            gpubp.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def reset(self):
        self.model.set_weights(self.case.weights)
        self.model.set_optimizer_state({k: np.zeros_like(v) for k, v in self.model.optimizer_state().items()})
        self.model.iterations = self.model.updates = 0

    def epoch(self):
        return self.model.fit(*self.case.data, batch_size=self.case.batch, verbose=0).history["loss"][0]


class Products(Gpubp):
    """The floor: of gpubp's own program the matrix products alone, by the same BLAS in the same compiled loop."""

    note = "the step's matrix products, nothing else"

    def __init__(self, case: Case):
        from gpubp.engine.executors.cpu import CPU

        super().__init__(case)
        x, y = self.case.data
        store, program = self.model._ready(), self.model.program(case.batch)
        parts = [replace(p, code=[i for i in p.code if i.op and i.op.name == "matmul"]) for p in program.parts]
        if sum(len(p.code) for p in parts) != 3 * len(case.widths) - 4:  # two a layer backwards, but the first
            raise RuntimeError(f"the program of {case.name} does not hold its products one by one")
        self.executor = CPU(replace(program, parts=parts, moving={}), store.device, store)
        self.executor.memory.bind(x=x, y=y, order=case.order)

    def epoch(self):
        self.executor.run(self.case.batch, self.case.steps)


class Jax:
    """One jitted `lax.scan` over the epoch's batches, gathered by index inside of it; state donated.

    Several ways to write it are timed before the measurement, and the fastest one for the case is taken: parameters as
    a list of arrays or as one flat vector, the loop as it is or unrolled twice.
    """

    packages = ("jax", "jaxlib")

    def __init__(self, case: Case):
        import jax
        from jax.flatten_util import ravel_pytree

        self.case, self.jax, self.ravel = case, jax, ravel_pytree
        self.data = jax.device_put((case.data[0], case.data[1].astype(np.int32), case.order.astype(np.int32)))
        seconds = {}
        for flat, unroll in product((False, True), (1, 2)):
            self.flat, self.unroll = flat, unroll
            self._build()
            seconds[flat, unroll] = min(sample(self)["seconds"] for _ in range(3))
        self.flat, self.unroll = min(seconds, key=seconds.get)
        self._build()
        self.note = f"{'flat vector' if self.flat else 'list of arrays'}, unroll={self.unroll}"

    def _build(self):
        flat, unravel = self.ravel(self.case.weights)
        self.parameters = flat if self.flat else self.case.weights
        self.run = self.jax.jit(self._scan(unravel if self.flat else lambda p: p), donate_argnums=0)

    def _scan(self, layers):
        jax, jnp = self.jax, self.jax.numpy

        def loss(parameters, x, y):
            weights = layers(parameters)
            for w, b in zip(weights[:-2:2], weights[1:-2:2], strict=True):
                x = jax.nn.relu(x @ w + b)
            z = x @ weights[-2] + weights[-1]
            hit = y[:, None] == jnp.arange(z.shape[1])  # faster here than take_along_axis
            return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.sum(jnp.where(hit, z, 0), axis=1))

        def step(state, picked, x, y):
            p, m, v, powers = state
            value, g = jax.value_and_grad(loss)(p, x[picked], y[picked])
            powers = powers * jnp.array([BETA_1, BETA_2], jnp.float32)  # carried, which saves two pow a step
            m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, g)
            v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, g)
            rate = RATE * jnp.sqrt(1 - powers[1]) / (1 - powers[0])
            p = jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), p, m, v)
            return (p, m, v, powers), value

        def epoch(state, x, y, order):
            state, losses = jax.lax.scan(partial(step, x=x, y=y), state, order, unroll=self.unroll)
            return state, losses.mean()

        return epoch

    def reset(self):
        jax, jnp = self.jax, self.jax.numpy
        zeros = (jax.tree.map(jnp.zeros_like, self.parameters) for _ in range(2))
        self.state = (jax.tree.map(jnp.array, self.parameters), *zeros, jnp.ones(2, jnp.float32))
        jax.block_until_ready(self.state)

    def epoch(self):
        self.state, loss = self.run(self.state, *self.data)
        self.jax.block_until_ready(self.state)
        return float(loss)


class Torch:
    """Eager PyTorch with its fused Adam."""

    packages = ("torch",)
    note = "eager, Adam(fused=True)"

    def __init__(self, case: Case):
        import torch

        torch.set_num_threads(1)
        self.case, self.torch = case, torch
        self.data = [torch.from_numpy(a) for a in (*case.data, case.order)]
        layers = [layer for m, n in pairwise(case.widths) for layer in (torch.nn.Linear(m, n), torch.nn.ReLU())]
        self.net = torch.nn.Sequential(*layers[:-1])

    def reset(self):
        torch = self.torch
        with torch.no_grad():
            for parameter, weight in zip(self.net.parameters(), self.case.weights, strict=True):
                parameter.copy_(torch.from_numpy(weight.T))
        self.optimizer = torch.optim.Adam(self.net.parameters(), RATE, (BETA_1, BETA_2), EPSILON, fused=True)

    def epoch(self):
        x, y, order = self.data
        total = self.torch.zeros(())
        for picked in order:
            loss = self.torch.nn.functional.cross_entropy(self.net(x[picked]), y[picked])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total) / len(order)


class ScikitLearn:
    """MLPClassifier, an epoch a call of partial_fit, which takes the batches in the order of the rows.

    For two classes it has one logistic output instead of a softmax over two: a smaller net, whose loss is not compared.
    """

    packages = ("scikit-learn",)

    def __init__(self, case: Case):
        from sklearn.neural_network import MLPClassifier

        self.case, self.binary = case, case.widths[-1] == 2
        self.note = "partial_fit" + (", one logistic output" if self.binary else "")
        adam = {"learning_rate_init": RATE, "beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON}
        self.net = MLPClassifier(case.widths[1:-1], batch_size=case.batch, alpha=0, shuffle=False, **adam)
        x, y = case.data
        self.net.partial_fit(x[: case.batch], y[: case.batch], classes=np.arange(case.widths[-1]))

    def reset(self):
        del self.net._optimizer  # the next call makes a new one
        parameters = [p for pair in zip(self.net.coefs_, self.net.intercepts_, strict=True) for p in pair]
        for parameter, weight in zip(parameters, self.case.weights, strict=True):
            parameter[...] = weight[..., :1] if self.binary and parameter.shape != weight.shape else weight

    def epoch(self):
        x, y = self.case.data
        picked = self.case.order.ravel()
        self.net.partial_fit(x[picked], y[picked])
        return None if self.binary else float(self.net.loss_)


CONTENDERS = {"gpubp": Gpubp, "JAX": Jax, "PyTorch": Torch, "scikit-learn": ScikitLearn, "products": Products}


def sample(contender) -> dict:
    """Wall and processor seconds of one epoch from the initial weights, and its mean loss (None: not compared).

    One epoch goes before it untimed: caches have forgotten a process that has waited for its turn.
    """
    contender.reset()
    contender.epoch()
    contender.reset()
    wall, processor = time.perf_counter(), time.process_time()
    loss = contender.epoch()
    return {"seconds": time.perf_counter() - wall, "processor": time.process_time() - processor, "loss": loss}


def serve(name: str):
    """Answers on standard output; the first answer tells what the contender is, or why it is missing."""
    settings = json.loads(sys.stdin.readline())
    try:
        contender = CONTENDERS[name](Case(tuple(settings["widths"]), settings["batch"], settings["steps"]))
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), flush=True)
        return
    warm = [sample(contender) for _ in range(2)]
    versions = {package: version(package) for package in contender.packages}
    print(json.dumps({"note": contender.note, "versions": versions, "warm": warm[-1]}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(sample(contender)), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
