"""What `explain` answers: data for programs, and as text a table for people."""

from dataclasses import asdict, dataclass, field

from gpubp.engine.explain.memory import Segment


@dataclass(frozen=True)
class Row:
    """An instruction.

    Arguments:
        number: in the program, from 0.
        part: of the program that it belongs to.
        ops: the ops that it computes, more than one if it is a fusion.
        layers: for which it computes, by name.
        shape: of its largest result, None where it depends on the batch.
        kept_in: what that result is kept in: a dtype's name, or "bfloat16".
        segment, offset: where that result is.
        flops: floating-point operations; one an element for all ops but products.
        bytes: read and written, if nothing stays in registers or caches from one instruction to the next.
        floor: seconds that no implementation could undercut here.
        seconds: measured; None without `analyze`.
    """

    number: int
    part: str
    ops: tuple[str, ...]
    layers: tuple[str, ...]
    shape: tuple[int | None, ...]
    kept_in: str
    segment: str
    offset: int
    flops: int
    bytes: int
    floor: float
    seconds: float | None = None


@dataclass(frozen=True)
class Total:
    """The sums of some rows."""

    flops: int
    bytes: int
    floor: float
    seconds: float | None


@dataclass(frozen=True)
class Explanation:
    """A program with its costs; `str()` of it is the table.

    Arguments:
        rows: the instructions.
        batch_size: rows of the batch.
        device: on which floors and times were measured, with its threads.
        rates: of that device, per second: of a large product, of a copy as large as the largest instruction's traffic.
        memory: the segments.
        step_seconds: measured for all instructions in a row, again and again; None without `analyze`.
    """

    rows: list[Row]
    batch_size: int
    device: str
    rates: dict[str, float]
    memory: list[Segment] = field(default_factory=list)
    step_seconds: float | None = None

    @property
    def analyzed(self) -> bool:
        """Whether the instructions were timed."""
        return self.step_seconds is not None

    @property
    def fusions(self) -> list[Row]:
        """The instructions that compute several ops."""
        return [row for row in self.rows if len(row.ops) > 1]

    @property
    def parts(self) -> dict[str, Total]:
        """The sums of each part."""
        names = dict.fromkeys(row.part for row in self.rows)
        return {name: self._sum([row for row in self.rows if row.part == name]) for name in names}

    @property
    def total(self) -> Total:
        """The sums of the step."""
        return self._sum(self.rows)

    def share(self, row: Row) -> float:
        """The part of the step that an instruction takes: of the measured time, else of the floors."""
        time, whole = (row.seconds, self.total.seconds) if self.analyzed else (row.floor, self.total.floor)
        return (time or 0.0) / whole if whole else 0.0

    def _sum(self, rows: list[Row]) -> Total:
        seconds = sum(row.seconds or 0.0 for row in rows) if self.analyzed else None
        return Total(sum(r.flops for r in rows), sum(r.bytes for r in rows), sum(r.floor for r in rows), seconds)

    def to_dict(self) -> dict:
        """All of it, as JSON knows it."""
        return {
            "batch_size": self.batch_size,
            "device": self.device,
            "rates": self.rates,
            "instructions": [asdict(row) | {"share": self.share(row)} for row in self.rows],
            "parts": {name: asdict(total) for name, total in self.parts.items()},
            "total": asdict(self.total),
            "step_seconds": self.step_seconds,
            "memory": [segment.to_dict() for segment in self.memory],
        }

    def __str__(self) -> str:
        from gpubp.engine.explain.table import text

        return text(self)
