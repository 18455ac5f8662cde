"""Epilogues: a product whose only reader adds a bias, and perhaps takes the ReLU, becomes one instruction with it.

cuBLASLt, and the tiles of `kernels/cpu`, do that while the result is still in registers. It is planned so only for
devices that can; both halves stay known, for shapes that the library does not take.
"""

from collections.abc import Container

from gpubp.engine.fuse import Instruction, base
from gpubp.engine.region import Kind
from gpubp.ops.linalg import gemm

NAMES = {("add",): "bias", ("add", "relu"): "relu_bias"}  # of epilogues, by the ops of the reader


def epilogue(reader: Instruction) -> str | None:
    """The name of the epilogue that computes what an instruction does; None if there is none."""
    return NAMES.get(tuple(step.op.name for step in reader.steps))


def with_epilogues(code: list[Instruction], roots, known: Container[str]) -> list[Instruction]:
    """The same instructions; products are one with the readers that can be their epilogue.

    Arguments:
        code: of a part.
        roots: what the part assigns, which does not stay in `work`.
        known: the names of the epilogues that the device has.
    """
    kept = {base(x) for x in roots}
    products = {i.outputs[0]: i for i in code if i.op is gemm}
    readers: dict = {}
    for i in code:
        for x in dict.fromkeys(map(base, i.inputs)):
            readers.setdefault(x, []).append(i)
    joined, done = [], set()
    for i in code:
        read = (products[x] for x in map(base, i.inputs) if x in products)  # the bias may be one, too
        product = next((p for p in read if len(readers[p.outputs[0]]) == 1 and _can_end(p, i, kept)), None)
        if product and epilogue(i) in known:
            done.add(product)
            i = _one_of(product, i)
        joined.append(i)
    return [i for i in joined if i not in done]


def _can_end(product: Instruction, reader: Instruction, kept) -> bool:
    """Whether the reader adds one row to each of the product's, and its result is used in `work` alone."""
    y, region = product.outputs[0], reader.region
    if region is None or len(reader.outputs) != 1 or y in kept or len(y.dims) != 2:
        return False
    added = list(dict.fromkeys(map(base, reader.steps[0].inputs)))
    if len(added) != 2 or len(reader.inputs) != 2:
        return False
    (bias,) = (x for x in added if x is not y)
    out = reader.outputs[0]
    return (
        out is reader.steps[-1].outputs[0]
        and out not in kept
        and out.dtype == bias.dtype == y.dtype
        and (region.rows, region.columns) == y.dims
        and (region.kind[y], region.kind[bias]) == (Kind.FULL, Kind.ROW)
    )


def _one_of(product: Instruction, reader: Instruction) -> Instruction:
    (bias,) = (x for x in reader.inputs if base(x) is not product.outputs[0])
    return Instruction(None, (*product.inputs, bias), reader.outputs, halves=(product, reader))
