"""Programs: parts, the layout of their memory, and what executors need to run them."""

from dataclasses import dataclass, field

from gpubp.engine.plan import Layout, Operand, Part


@dataclass
class Program:
    """A list of parts and where everything lies.

    Arguments:
        parts: in the order in which they run.
        layout: the sizes of the segments and the constants in them.
        scalars: places of what the program reads of itself: rows, step, seed, learning_rate.
        moving: of the caller's segments, the bytes by which each advances for every row that a step has taken.
        guard: the first part that does not run once an instruction has failed.
        first: the part that is not one of a step, but runs before the steps of each run. Default None.
    """

    parts: list[Part]
    layout: Layout
    scalars: dict[str, Operand] = field(default_factory=dict)
    moving: dict[str, int] = field(default_factory=dict)
    guard: str = "update"
    first: str | None = None

    @property
    def step(self) -> tuple[str, ...]:
        """The names of a step's parts."""
        return tuple(part.name for part in self.parts if part.name != self.first)

    @property
    def segments(self) -> list[str]:
        """The names of all segments, those of the caller last."""
        own = dict.fromkeys(self.layout.sizes)
        used = dict.fromkeys(place.segment for part in self.parts for place in part.places.values())
        return list(own | used)
