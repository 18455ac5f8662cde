"""Who is timed on a GPU: the contenders of `gpubp bench`, moved there, and PyTorch's steps captured in a graph.

`python gpu_contenders.py NAME` reads a case as a line of JSON and answers with one: its samples, or why there are none.
All data lie on the GPU; gathering, loss and optimizer are counted for everyone; every sample ends in one wait for the
GPU. None of this has run on a GPU yet.
"""

import json
import sys
import time
from dataclasses import replace
from functools import partial
from importlib.metadata import version

from gpubp.bench.case import BETA_1, BETA_2, EPSILON, Case
from gpubp.bench.contenders.base import UnableError
from gpubp.bench.problems import random_problem

SECONDS, SAMPLES = 2.0, 7  # at least so long, and so often, is measured
CAPTURED = 8  # steps of PyTorch in a graph


def own(case, problem, precision, kind="Gpubp", change=lambda: None, there=True):
    """gpubp's `fit` as users call it, or the matrix products of its program alone.

    Arguments:
        change: made first. Default nothing.
        there: whether the arrays lie on the GPU from the beginning. Default True.
    """
    import gpubp
    from gpubp.bench.contenders import own, products

    gpubp.set_device("cuda")
    change()
    upload = gpubp.backend.current_device().upload if there else lambda array: array
    problem = replace(problem, x=upload(problem.x), y=upload(problem.y))
    gpubp.config.set_dtype_policy(precision)
    return (own.Gpubp if kind == "Gpubp" else products.Products)(case, problem)


def products(case, problem, precision):
    return own(case, problem, precision, "Products")


def _torch(case, problem, precision, kind):
    """A contender that makes its tensors on the GPU."""
    import torch

    if not torch.cuda.is_available():
        raise UnableError("this PyTorch does not see a GPU")
    torch.set_default_device("cuda")
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    found = (_autocast(kind, precision) if precision.startswith("mixed_") else kind)(case, problem)
    found.x, found.y = found.x.cuda(), found.y.cuda()
    found.order = torch.from_numpy(problem.order).cuda()
    return found


def _autocast(kind, precision):
    """The contender with its forward pass, and so its backward pass, by PyTorch's rules of mixed precision.

    Of float16 without a scale of the loss, which costs gpubp what it costs.
    """
    import torch

    class Autocast(kind):
        def _forward(self, x, y):
            # Casts are not kept: each weight is met once a step, and a captured graph must hold its cast.
            with torch.autocast("cuda", getattr(torch, precision.removeprefix("mixed_")), cache_enabled=False):
                return super()._forward(x, y)

    return Autocast


def eager(case, problem, precision):
    from gpubp.bench.contenders import pytorch

    return _torch(case, problem, precision, _waiting(pytorch.Eager))


def compiled(case, problem, precision):
    from gpubp.bench.contenders import pytorch

    return _torch(case, problem, precision, _waiting(pytorch.Compiled))


def _waiting(kind):
    """The contender with its batches by an order that lies on the GPU; it waits at the end of an epoch."""
    import torch

    class Waiting(kind):
        def _pairs(self):
            for picked in self.order.split(self.case.batch):
                yield self.x[picked], self.y[picked]

        def epoch(self):
            loss = super().epoch()
            torch.cuda.synchronize()
            return loss

    return Waiting


def streamed():
    """As if the arrays did not fit on the GPU."""
    from gpubp.training import feeds

    feeds.SHARE = 0


def graphs_of(steps: int):
    """Graphs of so many steps, whatever their launch costs; of 0, no graphs."""

    def change():
        from gpubp.engine.executors import cuda

        def call_by_call(self, table, count):
            for _ in range(count):
                table.step()

        cuda.graph_size = lambda *measured: steps
        if not steps:
            cuda.CUDA._queue = call_by_call

    return change


def one_queue():
    """Products of weights' gradients wait their turn."""
    from gpubp.engine.executors import cuda

    cuda.branched = lambda calls: [(call, False) for call in calls]


def no_epilogues():
    """Bias and ReLU by kernels of their own."""
    from gpubp.backend import current_device

    current_device().epilogues = frozenset()


def plain():
    """Narrow networks by as many kernels as others."""
    from gpubp.backend import current_device

    current_device().narrow = False


def naive(case, problem, precision):
    """NumPy's step in CuPy's arrays, operation by operation: what people write by hand."""
    import cupy

    from gpubp.bench.contenders import plain_numpy

    class Naive(plain_numpy.PlainNumPy):
        packages = ("cupy-cuda13x",)
        note = "CuPy, an array operation a line"

        def batches(self):
            return [self.order[k : k + case.batch] for k in range(0, case.rows, case.batch)]

    there = {k: cupy.asarray(getattr(problem, k)) for k in ("x", "y", "order")}
    return Naive(case, replace(problem, weights=[cupy.asarray(w) for w in problem.weights], **there))


def captured(case, problem, precision, steps=CAPTURED, compiled=False):
    """Several whole steps of PyTorch in one CUDA graph, eager ones or compiled."""
    import torch

    from gpubp.bench.contenders import pytorch

    class Captured(pytorch.Eager):
        note = f"torch.cuda.graph of {steps} {'compiled' if compiled else 'eager'} steps, fused optimizer"

        def capture(self):
            """After the arrays have been moved; training starts anew afterwards."""
            if case.optimizer == "adam":
                rates = {"lr": case.rate, "betas": (BETA_1, BETA_2), "eps": EPSILON}
                self.optimizer = torch.optim.Adam(self.net.parameters(), **rates, fused=True, capturable=True)
            if compiled:
                self.forward = torch.compile(self._forward, mode="max-autotune-no-cudagraphs")
            self.picked = torch.zeros((steps, case.batch), dtype=torch.int64)
            self.total = torch.zeros(())
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self.step(0)
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                for k in range(steps):
                    self.step(k)
            return self

        def step(self, k):
            loss = self.forward(self.x[self.picked[k]], self.y[self.picked[k]])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.total += loss.detach()

        def reset(self):
            kept = getattr(self, "graph", None) and self.optimizer  # the graph holds its moments
            super().reset()
            if kept:
                self.optimizer = kept
                for state in kept.state.values():
                    for value in state.values():
                        value.zero_()

        def epoch(self):
            self.total.zero_()
            for k in range(0, case.steps, steps):
                self.picked.copy_(self.order[k * case.batch : (k + steps) * case.batch].view(steps, -1))
                self.graph.replay()
            torch.cuda.synchronize()
            return float(self.total) / case.steps

    return _torch(case, problem, precision, Captured).capture()


def scanned(case, problem, precision):
    """JAX's `lax.scan` over the epoch."""
    import jax

    from gpubp.bench.contenders import jax_loops

    if jax.default_backend() != "gpu":
        raise UnableError("this JAX does not see a GPU")
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "float32")

    class Short(jax_loops.Scan):
        @staticmethod
        def _product(x, w):
            half = precision.removeprefix("mixed_")
            return x.astype(half) @ w.astype(half)

    return (Short if precision.startswith("mixed_") else jax_loops.Scan)(case, problem)


CONTENDERS = {
    "gpubp": own,
    "PyTorch captured": captured,
    "JAX lax.scan": scanned,
    "PyTorch": eager,
    "PyTorch compiled": compiled,
    "products": products,
    "PyTorch compiled, captured": partial(captured, compiled=True),
    "CuPy": naive,
    "gpubp, streamed": partial(own, change=streamed, there=False),
}
# What single parts bring, and other numbers of steps in a graph.
PARTS = {
    "gpubp, call by call": partial(own, change=graphs_of(0)),
    **{f"gpubp, graphs of {k}": partial(own, change=graphs_of(k)) for k in (1, 8, 32)},
    "gpubp, one queue": partial(own, change=one_queue),
    "gpubp, no epilogues": partial(own, change=no_epilogues),
    "gpubp, plain": partial(own, change=plain),
    **{f"PyTorch captured, {k}": partial(captured, steps=k) for k in (1, 32)},
}


def measured(contender) -> dict:
    """Seconds of epochs, each from the initial weights, and the mean loss of the last (None: not compared)."""
    contender.tune()
    for _ in range(2):
        contender.reset()
        contender.epoch()
    seconds: list[float] = []
    while len(seconds) < SAMPLES or sum(seconds) < SECONDS:
        contender.reset()
        start = time.perf_counter()
        loss = contender.epoch()
        seconds.append(time.perf_counter() - start)
    versions = {package: version(package) for package in contender.packages}
    return {"seconds": seconds, "loss": None if loss is None else float(loss), "note": contender.note} | {
        "versions": versions
    }


def answer(name: str, settings: dict) -> dict:
    """What one contender showed, or why it could not."""
    precision = settings.pop("precision")
    case = Case(**settings | {"widths": tuple(settings["widths"])})
    try:
        return measured((CONTENDERS | PARTS)[name](case, random_problem(case), precision))
    except (ImportError, RuntimeError, UnableError, MemoryError) as error:
        return {"missing": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    print(json.dumps(answer(sys.argv[1], json.loads(sys.stdin.readline()))), flush=True)
