"""Narrow networks: forward pass, loss and backward pass as one instruction, for devices that keep all of it on a chip.

A few rows of the batch, all that is computed of them, the weights and the sums of their gradients fit into what one
block of threads has to itself, where layers are narrow. So the instructions that work row by row, from the first
product to the last gradient of a weight, become one, whose `stages` they are. There is no list of layers or losses:
whatever is a product with a matrix that all rows share, the gradient of such a matrix, or a region over the rows can be
a stage. The stages stay as they were planned, for numbers of rows and devices that run them one by one.
"""

from dataclasses import dataclass

from gpubp.engine.fuse import Instruction, base
from gpubp.engine.region import Kind, Region, lay_out
from gpubp.engine.trace import Symbol
from gpubp.ops.linalg import gemm
from gpubp.ops.shapes import B, Dim

WIDEST_INPUT, WIDEST, DEEPEST = 128, 64, 8  # columns of the data, units of a layer, layers with weights
PRECISIONS = (None, "float32", "bfloat16")  # of products


@dataclass
class Stretch:
    """The code of a part in an order in which the stages follow each other.

    Arguments:
        before: what none of the stages has to be done for, such as the masks of a dropout.
        stages: what becomes one instruction.
        after: what needs them.
        outputs: what others read of the stages, or what the part assigns.
    """

    before: list[Instruction]
    stages: list[Instruction]
    after: list[Instruction]
    outputs: list

    @property
    def code(self) -> list[Instruction]:
        return [*self.before, *self.stages, *self.after]

    def joined(self, code: list[Instruction], places: dict, rows: int) -> list[Instruction]:
        """The code of the planned part with one instruction for the stages.

        As it is where a result lies in the place of what is read: the results come when all else is done, in no order.
        """
        made = {x for i in self.stages for x in i.outputs}
        inputs = {base(x): x for i in self.stages for x in i.inputs if base(x) not in made}
        if any(places[x].overlaps(places[y], rows) for x in inputs for y in self.outputs):
            return code
        one = Instruction(None, tuple(inputs.values()), tuple(self.outputs), stages=tuple(self.stages))
        begin = code.index(self.stages[0])
        return [*code[:begin], one, *code[begin + len(self.stages) :]]


def stretch(code: list[Instruction], roots) -> Stretch | None:
    """The stages of a part that trains a narrow network; None if it does something else, or more.

    Arguments:
        code: of the part.
        roots: what it assigns.
    """
    found = _sorted(code)
    if found is None:
        return None
    gradients = [i for i in found.stages if is_gradient(i)]
    kept = {base(x) for x in roots} | {base(x) for i in (*found.before, *found.after) for x in i.inputs}
    found.outputs = [x for i in found.stages for x in i.outputs if x in kept]
    by_row = any(isinstance(d, Dim) for x in found.outputs for d in x.dims)
    return found if 0 < len(gradients) <= DEEPEST and not by_row else None


def _sorted(code) -> Stretch | None:
    """The code by what comes before, in and after the stages; None where a stage needs what is to come after them."""
    found = Stretch([], [], [], [])
    rows: set[Symbol] = set()  # what stages make of each row of the batch
    sums: set[Symbol] = set()  # what they make of all
    late: set[Symbol] = set()  # what comes after them
    for i in code:
        reads = set(map(base, i.inputs))
        if _is_stage(i):
            if reads & (late | sums):
                return None
            found.stages.append(i)
            for x in i.outputs:
                (rows if any(isinstance(d, Dim) for d in x.dims) else sums).add(x)
        elif reads & (rows | sums | late):
            found.after.append(i)
            late |= set(i.outputs)
        else:
            found.before.append(i)
    return found


def flat(stages) -> list[Instruction]:
    """The stages with both halves of a product that has an epilogue."""
    return [half for i in stages for half in i.halves or (i,)]


def _is_stage(i: Instruction) -> bool:
    return all(is_product(x) or is_gradient(x) or _is_region(x) for x in flat([i]))


def is_product(i: Instruction) -> bool:
    """Whether rows of the batch are multiplied with a narrow matrix that all of them share."""
    if not _is_matrix_product(i) or i.attrs["ta"]:
        return False
    (rows, k), n = i.inputs[0].dims, i.outputs[0].dims[1]
    return rows == B and k <= WIDEST_INPUT and n <= WIDEST and not _by_row(i.inputs[1])


def is_gradient(i: Instruction) -> bool:
    """Whether it is the gradient of a narrow matrix: a sum over the rows of the batch."""
    if not _is_matrix_product(i) or not i.attrs["ta"] or i.attrs["tb"]:
        return False
    (rows, k), n = i.inputs[0].dims, i.outputs[0].dims[1]
    return rows == B and i.inputs[1].dims[0] == B and k <= WIDEST_INPUT and n <= WIDEST


def _is_matrix_product(i) -> bool:
    """In a precision that the kernel has, of matrices whose widths are known."""
    known = i.op is gemm and i.attrs.get("precision") in PRECISIONS and i.outputs[0].dtype == "float32"
    matrices = known and all(len(x.dims) == 2 for x in (*i.inputs, *i.outputs))
    return matrices and not any(isinstance(x.dims[1], Dim) for x in (*i.inputs, *i.outputs))


def _by_row(x) -> bool:
    return any(isinstance(d, Dim) for d in x.dims)


def _is_region(i: Instruction) -> bool:
    """Whether one loop over narrow rows computes it, and what it adds up over the rows is added up in float32."""
    region = by_rows(i.region) if i.region else None
    if region is None or not isinstance(region.columns, int) or region.columns > WIDEST_INPUT:
        return False
    rows = [x for x in i.outputs if region.kind[x] is Kind.ROW]
    summed = {s.outputs[0] for s in region.steps if s.op.reduction}
    return all(x in summed and x.dtype == "float32" for x in rows)


def by_rows(region: Region) -> Region | None:
    """The loop of a region with the rows of the batch as its rows, also where a loop without rows does as well."""
    return region if region.rows == B else lay_out(region.steps, base, B)
