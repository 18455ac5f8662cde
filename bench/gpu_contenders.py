"""Who is timed on a GPU: the contenders of `gpubp bench`, moved there, and PyTorch's steps captured in a graph.

`python gpu_contenders.py NAME` reads a case as a line of JSON and answers with one: its samples, or why there are none.
All data lie on the GPU; gathering, loss and optimizer are counted for everyone; every sample ends in one wait for the
GPU. None of this has run on a GPU yet.
"""

import json
import sys
import time
from importlib.metadata import version

from gpubp.bench.case import BETA_1, BETA_2, EPSILON, Case
from gpubp.bench.contenders.base import UnableError
from gpubp.bench.problems import random_problem

SECONDS, SAMPLES = 2.0, 7  # at least so long, and so often, is measured
CAPTURED = 8  # steps of PyTorch in a graph


def own(case, problem, precision, kind="Gpubp"):
    """gpubp's `fit` as users call it, or the matrix products of its program alone."""
    import gpubp
    from gpubp.bench.contenders import own, products

    gpubp.set_device("cuda")
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


def captured(case, problem, precision):
    """Several whole steps of eager PyTorch in one CUDA graph."""
    import torch

    from gpubp.bench.contenders import pytorch

    class Captured(pytorch.Eager):
        note = f"torch.cuda.graph of {CAPTURED} steps, fused and capturable Adam"

        def capture(self):
            """After the arrays have been moved; training starts anew afterwards."""
            rates = {"lr": case.rate, "betas": (BETA_1, BETA_2), "eps": EPSILON}
            self.optimizer = torch.optim.Adam(self.net.parameters(), **rates, fused=True, capturable=True)
            self.picked = torch.zeros((CAPTURED, case.batch), dtype=torch.int64)
            self.total = torch.zeros(())
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):
                    self.step(0)
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                for k in range(CAPTURED):
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
            for k in range(0, case.steps, CAPTURED):
                self.picked.copy_(self.order[k * case.batch : (k + CAPTURED) * case.batch].view(CAPTURED, -1))
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


def serve(name: str):
    settings = json.loads(sys.stdin.readline())
    case = Case(tuple(settings["widths"]), settings["batch"], settings["steps"])
    try:
        answer = measured(CONTENDERS[name](case, random_problem(case), settings["precision"]))
    except (ImportError, RuntimeError, UnableError, MemoryError) as error:
        answer = {"missing": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
