"""What was measured: samples, their medians and spread, ratios, and who did not do the same work."""

from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any

CLOCKS = ("seconds", "processor")  # of the wall, and of the threads of the process


@dataclass
class Result:
    """What one contender showed.

    Arguments:
        note: how it goes about it.
        versions: of its packages.
        samples: by what was measured, such as "seconds" or "bytes", the values in the order of the rounds.
        loss: of its last sample; None if it can't be compared.
        details: what else it answered.
    """

    note: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    samples: dict[str, list[float]] = field(default_factory=dict)
    loss: float | None = None
    details: dict[str, Any] = field(default_factory=dict)

    def add(self, **values: float | None):
        """Adds a sample of each of what was measured; None is not a sample."""
        for name, value in values.items():
            if value is not None:
                self.samples.setdefault(name, []).append(value)

    def median(self, name: str) -> float | None:
        """The median of the samples; None if there are none."""
        return median(self.samples[name]) if self.samples.get(name) else None

    def summary(self) -> dict[str, dict[str, float]]:
        """Median and quartiles of all that was measured."""
        return {name: spread(values) for name, values in self.samples.items()}


def spread(values: list[float]) -> dict[str, float]:
    """The quartiles.

    >>> spread([3.0, 1.0, 2.0])
    {'low': 1.5, 'median': 2.0, 'high': 2.5}
    """
    low, middle, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else 3 * values
    return {"low": low, "median": middle, "high": high}


def ratio(a: list[float], b: list[float]) -> float:
    """The median of the rounds' ratios: what slows a whole round slows both.

    >>> ratio([1.0, 10.0, 3.0], [2.0, 20.0, 3.0])
    0.5
    """
    return median(x / y for x, y in zip(a, b, strict=True))


def disagreeing(results: dict[str, Result], tolerance: float) -> list[str]:
    """Contenders whose loss after the same work is not that of the first one, relative to it."""
    own = next((r.loss for r in results.values() if r.loss is not None), 0.0)
    return [n for n, r in results.items() if r.loss is not None and not abs(r.loss - own) <= tolerance * abs(own)]
