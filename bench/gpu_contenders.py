"""Who is timed on a GPU: each contender trains the same net, from the same weights, on the same batches.

`python gpu_contenders.py NAME` reads a case as a line of JSON and answers with one: its samples, or why there are none.
All data lie on the GPU; gathering, loss and optimizer are counted for everyone; every sample ends in one wait for the
GPU. None of this has run on a GPU yet.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
from contenders import BETA_1, BETA_2, EPSILON, RATE, Case, Gpubp, Jax, Torch

SECONDS, SAMPLES = 2.0, 7  # at least so long, and so often, is measured


class OnGpu(Gpubp):
    """`fit` as users call it, on the first GPU."""

    packages = ("gpubp", "cupy-cuda13x", "numpy")

    def __init__(self, case: Case, precision: str):
        import gpubp

        gpubp.set_device("cuda")
        gpubp.backend.current_device().compute = precision
        super().__init__(case)


class Products(OnGpu):
    """The floor: of gpubp's own program the matrix products alone, one after the other, in graphs."""

    note = "the step's matrix products, nothing else"

    def __init__(self, case: Case, precision: str):
        from dataclasses import replace

        from gpubp.engine.executors.cuda import CUDA

        super().__init__(case, precision)
        store, program = self.model._ready(), self.model.program(case.batch)
        parts = [replace(p, code=[i for i in p.code if i.op and i.op.name == "matmul"]) for p in program.parts]
        self.executor = CUDA(replace(program, parts=parts, moving={}), store.device, store)
        x, y = case.data
        self.executor.memory.bind(x=x, y=y, order=case.order)

    def epoch(self):
        self.executor.run(self.case.batch, self.case.steps)


class EagerTorch(Torch):
    """PyTorch, op by op, with its fused Adam."""

    note = "eager, Adam(fused=True)"

    def __init__(self, case: Case, precision: str):
        super().__init__(case)
        self.torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        self.net = self.net.cuda()
        self.data = [a.cuda() for a in self.data]

    def epoch(self):
        loss = super().epoch()
        self.torch.cuda.synchronize()
        return loss


class CompiledTorch(EagerTorch):
    """`torch.compile` of loss and gradient, with graphs of its own."""

    note = 'torch.compile(mode="max-autotune")'

    def reset(self):
        super().reset()
        torch = self.torch

        def loss(x, y):
            return torch.nn.functional.cross_entropy(self.net(x), y)

        self.loss = getattr(self, "loss", None) or torch.compile(loss, mode="max-autotune", fullgraph=True)

    def epoch(self):
        x, y, order = self.data
        total = self.torch.zeros((), device="cuda")
        for picked in order:
            loss = self.loss(x[picked], y[picked])
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        self.torch.cuda.synchronize()
        return float(total) / len(order)


class CapturedTorch(EagerTorch):
    """Eight whole steps of eager PyTorch in one CUDA graph."""

    steps = 8
    note = "torch.cuda.graph of 8 steps, Adam(fused=True, capturable=True)"

    def reset(self):
        super().reset()
        torch = self.torch
        rates = {"lr": RATE, "betas": (BETA_1, BETA_2), "eps": EPSILON}
        self.optimizer = torch.optim.Adam(self.net.parameters(), **rates, fused=True, capturable=True)
        self.picked = torch.zeros((self.steps, self.case.batch), dtype=torch.int64, device="cuda")
        self.total = torch.zeros((), device="cuda")
        before = [p.detach().clone() for p in self.net.parameters()]
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            for _ in range(3):
                self._step(self.picked[0])
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad()
        with torch.cuda.graph(self.graph):
            for k in range(self.steps):
                self._step(self.picked[k])
        with torch.no_grad():  # warming up has trained
            for p, value in zip(self.net.parameters(), before, strict=True):
                p.copy_(value)
            for state in self.optimizer.state.values():
                for value in state.values():
                    value.zero_()
        self.total.zero_()

    def _step(self, picked):
        x, y, _ = self.data
        loss = self.torch.nn.functional.cross_entropy(self.net(x[picked]), y[picked])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.total += loss.detach()

    def epoch(self):
        order = self.data[2]
        if len(order) % self.steps:
            raise ValueError(f"{len(order)} steps are no multiple of {self.steps}")
        for k in range(0, len(order), self.steps):
            self.picked.copy_(order[k : k + self.steps])
            self.graph.replay()
        self.torch.cuda.synchronize()
        return float(self.total) / len(order)


class ScannedJax(Jax):
    """One jitted `lax.scan` over the epoch, in the fastest of several ways to write it."""

    def __init__(self, case: Case, precision: str):
        import jax

        if jax.default_backend() != "gpu":
            raise ImportError("this JAX does not see a GPU")
        jax.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "float32")
        super().__init__(case)


CONTENDERS = {
    "gpubp": OnGpu,
    "PyTorch, captured": CapturedTorch,
    "JAX": ScannedJax,
    "PyTorch": EagerTorch,
    "PyTorch, compiled": CompiledTorch,
    "products": Products,
}


def measured(contender) -> dict:
    """Seconds of epochs, each from the initial weights, and the mean loss of the last (None: not compared)."""
    for _ in range(2):
        contender.reset()
        contender.epoch()
    seconds: list[float] = []
    while len(seconds) < SAMPLES or sum(seconds) < SECONDS:
        contender.reset()
        start = time.perf_counter()
        loss = contender.epoch()
        seconds.append(time.perf_counter() - start)
    return {"seconds": seconds, "loss": loss}


def serve(name: str):
    settings = json.loads(sys.stdin.readline())
    case = Case(tuple(settings["widths"]), settings["batch"], settings["steps"])
    try:
        contender = CONTENDERS[name](case, settings["precision"])
        answer = measured(contender)
        answer["versions"] = {package: version(package) for package in contender.packages}
        answer["note"] = contender.note
    except (ImportError, RuntimeError, AssertionError) as error:
        answer = {"missing": f"{type(error).__name__}: {error}"}
    if isinstance(answer.get("loss"), np.generic):
        answer["loss"] = float(answer["loss"])
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
