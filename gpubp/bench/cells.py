"""A cell of the suite: some contenders at one task on one case, with a number of threads."""

from dataclasses import dataclass, field
from typing import Any

from gpubp.bench.case import Case

STARTING = 3.0  # seconds until a contender is ready, about
SAME_WORK = 1e-3  # of mean losses of an epoch, relative: float32 sums in different orders, over up to 4,096 updates
CHANCE = 0.05  # the same where each contender draws masks of its own


@dataclass(frozen=True)
class Cell:
    """What is measured at once.

    Arguments:
        family: such as "step" or "fit".
        name: what tells it from the others of its family.
        value: the cells of lowest value are the first to be dropped.
        task: what the contenders do, see `tasks`.
        case: on what.
        contenders: who takes part.
        seconds: of measuring. Default 5.
        threads: of the contenders' libraries. Default 1.
        options: of the task.
        dataset: the name of a real data set. Default random rows.
        axis: of a family that grows something, what grows, and to what. Default nothing.
        per: steps that a sample consists of, by which its seconds are divided where they are shown. Default 1.
        repeats: of tasks that begin with a process. Default 3.
        cold: whether caches are empty. Default False.
    """

    family: str
    name: str
    value: int
    task: str
    case: Case
    contenders: tuple[str, ...]
    seconds: float = 5.0
    threads: int = 1
    options: dict[str, Any] = field(default_factory=dict)
    dataset: str | None = None
    axis: tuple[str, int] | None = None
    per: int = 1
    repeats: int = 3
    cold: bool = False

    @property
    def title(self) -> str:
        threads = f" ({self.threads} threads)" if self.threads > 1 else ""
        return f"{self.family}: {self.name}{threads}"

    @property
    def starting(self) -> float:
        """Seconds in which nothing is measured, about."""
        return STARTING * len(self.contenders)

    @property
    def tolerance(self) -> float:
        return CHANCE if self.case.dropout else SAME_WORK
