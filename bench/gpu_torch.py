"""PyTorch on a GPU: eager, compiled, and whole steps captured in a CUDA graph."""

import torch

from gpubp.bench.contenders import pytorch
from gpubp.bench.contenders.base import UnableError


class OnGPU(pytorch.Eager):
    """Data, order and weights lie on the GPU; nothing is read back before the end of an epoch.

    Arguments:
        precision: a policy of gpubp. Of "mixed_float16" the loss is not scaled, which costs gpubp what it costs.
        pure: whether weights, moments and data are kept in bfloat16 as well, with no float32 copy. Default False.
    """

    device = "cuda"

    def __init__(self, case, problem, precision, pure=False):
        if self.device == "cuda" and not torch.cuda.is_available():
            raise UnableError("this PyTorch does not see a GPU")
        self.half = getattr(torch, precision.removeprefix("mixed_")) if precision.startswith("mixed_") else None
        if pure and self.half != torch.bfloat16:
            raise UnableError(f"{precision} leaves no range for all to be kept in it")
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        self.pure = pure
        super().__init__(case, problem)
        self.order = torch.from_numpy(problem.order).to(self.device)
        if pure:
            self.note += ", all in bfloat16"
            self.net.to(self.half)
            self.x = self.x.to(self.half)

    def _forward(self, x, y):
        if self.pure:
            return self.loss(self.net(x).float(), y)
        if not self.half:
            return super()._forward(x, y)
        # Casts are not kept: each weight is met once a step, and a captured graph must hold its cast.
        with torch.autocast(self.device, self.half, cache_enabled=False):
            return super()._forward(x, y)


class Compiled(OnGPU, pytorch.Compiled):
    """Net and loss by torch.compile, as most people call it."""


class Autotuned(Compiled):
    """As fast as torch.compile makes it by itself: kernels chosen by trying, forward and backward passes in graphs."""

    note = "torch.compile by max-autotune, fused optimizer"
    options = {"mode": "max-autotune", "fullgraph": True, "dynamic": False}  # noqa: RUF012

    def _pairs(self):
        for pair in super()._pairs():
            torch.compiler.cudagraph_mark_step_begin()
            yield pair


class Captured(OnGPU):
    """Several whole steps in one CUDA graph, eager ones or compiled; gathering and the optimizer are in it, too.

    Arguments:
        steps: of a graph.
        compiled: whether net and loss are compiled, by kernels chosen by trying. Default False.
    """

    capturable = True

    def __init__(self, case, problem, precision, steps, compiled=False, pure=False):
        if case.steps % steps:
            raise UnableError(f"{case.steps} steps are no whole graphs of {steps}")
        self.note = f"torch.cuda.graph of {steps} {'compiled' if compiled else 'eager'} steps, fused optimizer"
        super().__init__(case, problem, precision, pure)
        self.steps = steps
        if compiled:
            self.forward = torch.compile(
                self._forward, mode="max-autotune-no-cudagraphs", fullgraph=True, dynamic=False
            )
        self.picked = torch.zeros((steps, case.batch), dtype=torch.int64, device=self.device)
        self.total = torch.zeros((), device=self.device)

    def tune(self):
        """Warms up beside the default stream, as captures want it, and captures; `reset` undoes what that trained."""
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self._step(0)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for k in range(self.steps):
                self._step(k)

    def _step(self, k):
        self.optimizer.zero_grad()
        loss = self.forward(self.x[self.picked[k]], self.y[self.picked[k]])
        loss.backward()
        self.optimizer.step()
        self.total += loss.detach()

    def _optimizer(self):
        """Always the same one, whose moments the graph holds: they begin anew."""
        if not hasattr(self, "optimizer"):
            return super()._optimizer()
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        return self.optimizer

    def epoch(self):
        self.total.zero_()
        for picked in self.order.view(-1, *self.picked.shape):
            self.picked.copy_(picked)
            self.graph.replay()
        return float(self.total) / self.case.steps
