"""Half precision: products multiply bfloat16 or float16, and what they meet is kept so; all else computes in float32.

No op of a record has such a dtype. A layer's policy says of its products to which format their factors may be rounded;
on a device that multiplies it, the factors, and the products of the rows of a batch, are kept in memory in this format.
Kernels read them as float32 and round what they write. So a value takes half of the traffic, and is rounded when it is
stored, once, by whoever computes it.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gpubp.engine.fuse import Instruction, alone, base, copied
from gpubp.engine.trace import Symbol
from gpubp.ops.linalg import gemm
from gpubp.ops.shapes import Dim

if TYPE_CHECKING:
    from gpubp.engine.plan import Operand

HALVES = {"bfloat16": np.dtype(np.uint16), "float16": np.dtype(np.float16)}  # NumPy has no bfloat16: its bits


class Halves:
    """What of a part is kept in half precision.

    Arguments:
        code: the instructions of the part.
        roots: values that outlive the part, which stay what they are.
        precisions: in which the device has products.
        beside: gives, for the place of a value that lasts and a format, the place where a copy in this format is kept;
            None for values of which none is.

    Attributes:
        code: the same instructions; products read their factors in the format that they want, from copies where these
            are kept otherwise. Where a bias is added to a result that is itself kept so, the bias comes twice: as it
            is, and, last, in the format of the result, as the library wants it.
        kept: of values that the code computes, the format in which they are kept.
        places: of copies of values that lie elsewhere.
    """

    def __init__(self, code: list[Instruction], roots: set[Symbol], precisions: frozenset[str], beside):
        self.code: list[Instruction] = []
        self.places: dict[Symbol, Operand] = {}
        self._precisions, self._beside = precisions, beside
        self._copies: dict[tuple[str, Symbol], Symbol] = {}
        ends = self._ends(code)
        wished = ((x, half) for x, half in self._wished(code).items() if x in ends and x not in roots)
        self.kept = {x: half for x, half in wished if all(i.region or self._format(i) == half for i in ends[x])}
        for i in code:
            half = self._format(i)
            self.code += [i] if half is None else self._product(i, half)

    def _format(self, i: Instruction) -> str | None:
        """The format of what a product multiplies; None for other instructions."""
        product = i.halves[0] if i.halves else i
        half = product.attrs.get("precision")
        wanted = product.op is gemm and half in HALVES and half in self._precisions
        return half if wanted and product.outputs[0].dtype == np.float32 else None

    def _wished(self, code) -> dict[Symbol, str]:
        """Factors, and products with rows of the batch: gradients of weights keep all their digits."""
        found: dict[Symbol, str] = {}
        for i, half in ((i, half) for i in code if (half := self._format(i))):
            y = i.outputs[0]
            values = [*map(base, i.inputs[:2]), *([y] if any(isinstance(d, Dim) for d in y.dims) else [])]
            found |= {x: half for x in values if x not in found}
        return found

    def _ends(self, code) -> dict[Symbol, list[Instruction]]:
        """Of each value that is computed here, who computes and who reads it."""
        found = {x: [i] for i in code for x in i.outputs}
        for i in code:
            for x in map(base, i.inputs):
                if x in found:
                    found[x].append(i)
        return found

    def _product(self, i: Instruction, half: str) -> list[Instruction]:
        """The product, after the copies that it needs."""
        made: list[Instruction] = []
        a, b, *bias = i.inputs
        factors = self._in(half, a, made), self._in(half, b, made)
        if bias and self.kept.get(i.outputs[0]) == half:
            bias.append(self._in(half, bias[0], made))
        halves = i.halves and (replace(i.halves[0], inputs=factors), *i.halves[1:])
        return [*made, replace(i, inputs=(*factors, *bias), halves=halves)]

    def _in(self, half: str, x: Symbol, made: list[Instruction]) -> Symbol:
        """The value in a format; a copy is put into `made` if there is none yet."""
        if self.kept.get(base(x)) == half:
            return x
        if (half, x) not in self._copies:
            place = self._beside(x.place, half) if x.place is not None else None
            if place:
                short = Symbol(x.graph, x.dims, x.dtype)
                self.places[short] = place
            else:
                copy = copied(x)
                short = copy.outputs[0]
                self.kept[short] = half
                made += alone([copy], [short])
            self._copies[half, x] = short
        return self._copies[half, x]
