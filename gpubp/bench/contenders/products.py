"""The floor: of gpubp's own program the matrix products alone, by BLAS, in the same compiled loop."""

from dataclasses import replace

from gpubp.engine.executors import executor_class
from gpubp.engine.executors.cpu import CPU

from .base import UnableError
from .own import Gpubp


class Products(Gpubp):
    """Not a net: nothing is learned."""

    note = "the step's matrix products, nothing else"

    def __init__(self, case, problem):
        super().__init__(case, problem)
        store, program = self.model._ready(), self.model.program(case.batch)
        parts = [replace(p, code=_products(p.code)) for p in program.parts]
        found = sum(len(p.code) for p in parts)
        wanted = 3 * len(case.layers) - 1  # two of each layer backwards, but one of the first
        if found != wanted:
            raise UnableError(f"the program holds {found} products by themselves, not {wanted}: the rest is fused")
        alone = replace(program, parts=parts, moving={})
        self.executor = executor_class("auto", store.device)(alone, store.device, store)
        if isinstance(self.executor, CPU):
            self.executor.own_products = False
        self.executor.memory.bind(x=problem.x, y=problem.y, order=problem.order)

    def epoch(self):
        self.executor.run(self.case.batch, self.case.steps)


def _products(code):
    """The products that instructions are, or begin with, or have among their stages."""
    firsts = (one.halves[0] if one.halves else one for i in code for one in i.stages or (i,))
    return [i for i in firsts if i.op and i.op.name == "matmul"]
