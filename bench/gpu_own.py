"""gpubp on a GPU, whole and in parts: with a part of the executor changed, or without a part of a step."""

from dataclasses import replace

import gpubp
from gpubp.backend import current_device
from gpubp.bench.contenders.own import Gpubp
from gpubp.doctor.facts import CUPY
from gpubp.engine.executors import cuda, executor_class
from gpubp.training import feeds


def own(case, problem, precision, kind=Gpubp, change=lambda: None, there=True):
    """gpubp's `fit` as users call it, or what `kind` takes of its program.

    Arguments:
        change: made first. Default nothing.
        there: whether the arrays lie on the GPU from the beginning. Default True.
    """
    gpubp.set_device("cuda")
    change()
    upload = current_device().upload if there else lambda array: array
    problem = replace(problem, x=upload(problem.x), y=upload(problem.y))
    gpubp.config.set_dtype_policy(precision)
    found = kind(case, problem)
    found.packages = (*found.packages, *CUPY)
    return found


def streamed():
    """As if the arrays did not fit on the GPU."""
    feeds.SHARE = 0


def graphs_of(steps: int):
    """Graphs of so many steps, whatever their launch costs; of 0, no graphs."""

    def change():
        def call_by_call(self, table, count):
            for _ in range(count):
                table.step()

        cuda.graph_size = lambda *measured: steps
        if not steps:
            cuda.CUDA._queue = call_by_call

    return change


def one_queue():
    """Products of weights' gradients wait their turn."""
    current_device().branches = False


def launches_apart():
    """A launch for each kernel."""
    cuda.together = list


def no_epilogues():
    """Bias and ReLU by kernels of their own."""
    current_device().epilogues = frozenset()


def plain():
    """Narrow networks by as many kernels as others."""
    current_device().narrow = False


class Ungathered(Gpubp):
    """All of a step but the gathering of its batch: always the same one, which lies there."""

    note = "one batch, gathered beforehand"

    def __init__(self, case, problem):
        super().__init__(case, problem)
        store, program = self.model._ready(), self.model.program(case.batch)
        self.parts = tuple(name for name in program.step if name != "gather")
        self.executor = executor_class("auto", store.device)(replace(program, moving={}), store.device, store)
        self.executor.memory.bind(x=problem.x, y=problem.y, order=problem.order)

    def reset(self):
        super().reset()
        self.executor.run(self.case.batch, 1)

    def epoch(self):
        self.executor.run(self.case.batch, self.case.steps, self.parts)
