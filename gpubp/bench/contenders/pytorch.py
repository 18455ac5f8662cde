"""PyTorch, as its tutorials write it."""

from typing import ClassVar

import torch
from torch.utils.data import DataLoader, TensorDataset

from ..case import BETA_1, BETA_2, EPSILON, NORM_EPSILON, NORM_MOMENTUM, SEED
from .base import Contender, UnableError


class Eager(Contender):
    """Batches gathered out of tensors, the fused optimizers."""

    packages = ("torch",)
    note = "eager, fused optimizer"
    device = "cpu"
    capturable = False  # whether a CUDA graph can hold the optimizer's step

    def __init__(self, case, problem):
        super().__init__(case, problem)
        torch.manual_seed(SEED)
        self.x, self.y = (torch.from_numpy(a).to(self.device) for a in (problem.x, problem.y))
        dtype = getattr(torch, case.dtype)
        with torch.device(self.device):  # no default for good, which every call would pay for
            self.dense = [torch.nn.Linear(m, n, dtype=dtype) for m, n in case.layers]
            hidden = [module for one in self.dense[:-1] for module in (one, *self._after(one, dtype))]
        self.net = torch.nn.Sequential(*hidden, self.dense[-1])
        self.loss = torch.nn.MSELoss() if case.regression else torch.nn.CrossEntropyLoss()
        self.fresh = {k: v.clone() for k, v in self.net.state_dict().items()}
        self.forward = self._forward
        self.reset()

    def _after(self, one, dtype):
        """What follows a hidden layer."""
        if self.case.batch_norm:
            yield torch.nn.BatchNorm1d(one.out_features, NORM_EPSILON, 1 - NORM_MOMENTUM, dtype=dtype)
        yield torch.nn.ReLU()
        if self.case.dropout:
            yield torch.nn.Dropout(self.case.dropout)

    def _forward(self, x, y):
        return self.loss(self.net(x), y)

    def reset(self):
        self.net.load_state_dict(self.fresh)
        with torch.no_grad():
            for one, w, b in zip(self.dense, self.problem.weights[::2], self.problem.weights[1::2], strict=True):
                one.weight.copy_(torch.from_numpy(w.T))
                one.bias.copy_(torch.from_numpy(b))
        self.optimizer = self._optimizer()

    def _optimizer(self):
        parameters, rate = self.net.parameters(), self.case.rate
        if self.case.optimizer == "sgd":
            return torch.optim.SGD(parameters, rate, fused=True)
        betas = BETA_1, BETA_2
        return torch.optim.Adam(parameters, rate, betas, EPSILON, fused=True, capturable=self.capturable)

    def epoch(self):
        self.net.train()
        total, seen = torch.zeros((), device=self.device), 0
        for x, y in self._pairs():
            self.optimizer.zero_grad()
            loss = self.forward(x, y)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(x)
            seen += len(x)
        return float(total) / seen

    def _pairs(self):
        for picked in torch.as_tensor(self.order).split(self.case.batch):
            yield self.x[picked], self.y[picked]

    def predict(self, x):
        self.net.eval()
        with torch.inference_mode():
            out = self.net(torch.from_numpy(x))
            return (out if self.case.regression else torch.softmax(out, 1)).numpy()


class Loader(Eager):
    """Rows by way of a DataLoader in this process, which is the usual loop."""

    note = "eager, DataLoader, fused optimizer"

    def _pairs(self):
        rows = TensorDataset(self.x, self.y)
        return DataLoader(rows, self.case.batch, sampler=self.order.tolist())


class Compiled(Eager):
    """The net and its loss by torch.compile."""

    note = "torch.compile, fused optimizer"
    options: ClassVar[dict] = {}  # of torch.compile

    def __init__(self, case, problem):
        super().__init__(case, problem)
        self.forward = torch.compile(self._forward, **self.options)
        self.infer = torch.compile(self.net)
        try:
            self.forward(self.x[: case.batch], self.y[: case.batch]).backward()
        except Exception as error:  # of many kinds: without a compiler, on a Python that is too new, ...
            raise UnableError(f"torch.compile fails here: {str(error).splitlines()[0]}") from error

    def predict(self, x):
        self.net.eval()
        with torch.inference_mode():
            out = self.infer(torch.from_numpy(x))
            return (out if self.case.regression else torch.softmax(out, 1)).numpy()
