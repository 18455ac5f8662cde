"""Fusion: neighbouring instructions become regions, each of which one generated kernel computes."""

from dataclasses import dataclass, field
from typing import Any

from gpubp.engine.region import Kind, Region, lay_out
from gpubp.engine.trace import Symbol, needed
from gpubp.ops.registry import REGISTRY

LARGEST = 64  # steps of a region: compiling one twice as large takes more than twice the time


@dataclass(eq=False)
class Instruction:
    """What one kernel does: an op on symbols, the steps of a region, a product with its epilogue, or stages on chip."""

    op: Any
    inputs: tuple[Symbol, ...]
    outputs: tuple[Symbol, ...]
    attrs: dict = field(default_factory=dict)
    region: Region | None = None
    scratch: tuple[Symbol, ...] = ()
    halves: tuple["Instruction", ...] = ()  # a product and the reader that is its epilogue
    stages: tuple["Instruction", ...] = ()  # what a few rows at a time go through, see `engine.narrow`

    @property
    def steps(self) -> tuple["Instruction", ...]:
        if self.halves or self.stages:
            return tuple(step for one in (*self.halves, *self.stages) for step in one.steps)
        return self.region.steps if self.region else (self,)

    @property
    def name(self) -> str:
        return " ".join(s.op.name for s in self.steps)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The layers that it computes for."""
        return tuple(dict.fromkeys(s.scope for step in self.steps for s in step.outputs if s.scope))


def base(symbol: Symbol) -> Symbol:
    """The value whose bytes this one shares: a reshape is a view, not an instruction that runs."""
    while symbol.op is not None and symbol.op.view:
        symbol = symbol.inputs[0]
    return symbol


def as_instructions(roots) -> list[Instruction]:
    """One instruction for each op that the roots need, views left out."""
    return [Instruction(s.op, s.inputs, (s,), s.attrs) for s in needed(roots) if s.op and not s.op.view]


def fuse(instructions: list[Instruction], roots) -> list[Instruction]:
    """The same computation with as few instructions as regions allow, each after those that it reads from.

    From the end, so that what only backward needs, such as an activation's slope, is computed there and not kept.
    """
    groups = Groups(instructions)
    for late in reversed(instructions):
        for early in groups.producers(late):
            groups.merge(early, late)
    for late in instructions:
        for early in groups.siblings(late):
            groups.merge(early, late)
    return groups.instructions({base(r) for r in roots})


def alone(instructions: list[Instruction], roots) -> list[Instruction]:
    """The unfused program: each instruction by itself."""
    return Groups(instructions).instructions({base(r) for r in roots})


def copied(symbol: Symbol) -> Instruction:
    """Copies a value into a new symbol, which common subexpressions do not merge with another copy."""
    rule, attrs = REGISTRY["broadcast_to"], {"shape": symbol.dims}
    copy = Symbol(symbol.graph, symbol.dims, symbol.dtype, op=rule, inputs=(symbol,), attrs=attrs)
    return Instruction(rule, copy.inputs, (copy,), attrs)


def _fusable(instruction) -> bool:
    return instruction.op.expression is not None or instruction.op.reduction is not None


class Groups:
    """A partition of the instructions into groups, each of which is, or will be, one instruction."""

    def __init__(self, instructions):
        self.order = {i: k for k, i in enumerate(instructions)}
        self.members = {i: [i] for i in instructions}  # by representative
        self.group = {i: i for i in instructions}
        self.producer = {i.outputs[0]: i for i in instructions}
        self.consumers: dict[Instruction, list[Instruction]] = {i: [] for i in instructions}
        for i in instructions:
            for early in self._reads(i):
                self.consumers[early].append(i)

    def _reads(self, instruction):
        values = dict.fromkeys(base(x) for x in instruction.inputs)
        return [self.producer[x] for x in values if x in self.producer]

    def producers(self, late):
        """Instructions that this one reads from and could share a region with, the latest first."""
        found = [i for i in self._reads(late) if _fusable(i)] if _fusable(late) else []
        return sorted(found, key=self.order.__getitem__, reverse=True)

    def siblings(self, late):
        """Earlier instructions without a path to this one that walk the same memory, or compute scalars as it does."""
        if not _fusable(late):
            return []
        if not late.outputs[0].dims:
            return [i for i in self.order if self.order[i] < self.order[late] and _fusable(i) and not i.outputs[0].dims]
        full = [base(x) for x in late.inputs if x.dims == late.outputs[0].dims]
        readers = (i for x in full if x in self.producer for i in self.consumers[self.producer[x]])
        return [i for i in readers if _fusable(i) and i.outputs[0].dims == late.outputs[0].dims]

    def merge(self, early, late):
        """Makes one group of two, where one loop can compute both and no third group would have to run in between."""
        a, b = self.group[early], self.group[late]
        if a is b:
            return
        members = sorted(self.members[a] + self.members[b], key=self.order.__getitem__)
        if len(members) > LARGEST or self._path_around(set(members)) or not _worthwhile(lay_out(members, base)):
            return
        self.members[a] = members
        del self.members[b]
        for i in members:
            self.group[i] = a

    def _path_around(self, merged) -> bool:
        """Whether a way leads out of the merged group and back into it."""
        stack = [c for i in merged for c in self.consumers[i] if c not in merged]
        seen = set()
        while stack:
            for i in self.members[self.group[stack.pop()]]:
                if i in merged:
                    return True
                if i not in seen:
                    seen.add(i)
                    stack.extend(self.consumers[i])
        return False

    def instructions(self, roots) -> list[Instruction]:
        """One instruction a group, each after those that it reads from."""
        ordered, done = [], set()

        def visit(representative):
            if representative in done:
                return
            done.add(representative)
            for i in self.members[representative]:
                for early in self._reads(i):
                    if self.group[early] is not representative:
                        visit(self.group[early])
            ordered.append(self._instruction(self.members[representative], roots))

        for i in self.order:
            visit(self.group[i])
        return ordered

    def _instruction(self, members, roots) -> Instruction:
        region = lay_out(members, base) if all(map(_fusable, members)) else None
        if region is None:
            return members[0]
        made = {i.outputs[0]: i for i in members}
        outputs = [x for x, i in made.items() if x in roots or self._read_outside(i, members)]
        inputs = dict.fromkeys(base(x) for i in members for x in i.inputs if base(x) not in made)
        scratch = tuple(Symbol(x.graph, (1, region.columns), x.dtype) for x in region.spilled(outputs))
        return Instruction(None, tuple(inputs), tuple(outputs), {}, region, scratch)

    def _read_outside(self, instruction, members) -> bool:
        return any(c not in members for c in self.consumers[instruction])


def _worthwhile(region: Region | None) -> bool:
    """A flat loop of one row would spill whole arrays for a second pass; two kernels do that as well."""
    if region is None:
        return False
    flat = region.rows == 1 and any(k is Kind.FULL for k in region.kind.values())
    return not (flat and region.spilled([]))
