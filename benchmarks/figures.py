# SPDX-License-Identifier: GPL-3.0-or-later
"""What was measured: figures with all their samples, and what they were meant to reach."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import asdict, field, frozen

ALPY: Final = "alpy"
PEER: Final = "alpy 6.0.0"
LIMIT: Final = "limit"


@frozen(kw_only=True)
class Goal:
    """A ratio of two ways' medians, or without *under* the median itself, and where it must be."""

    words: str
    over: str = ALPY
    under: str = ""
    at_least: float | None = None
    at_most: float | None = None

    def admits(self, value: float) -> bool:
        """Whether *value* is where it must be."""
        high_enough = self.at_least is None or value >= self.at_least
        return high_enough and (self.at_most is None or value <= self.at_most)


@frozen(kw_only=True)
class Figure:
    """One thing measured in several ways, which took turns.

    *samples*: by the way, in the order in which they came. *limit_is* tells what bounds it.
    *phases*: of each way, how long its parts took, in seconds.
    """

    name: str
    unit: str
    samples: Mapping[str, Sequence[float]]
    higher_is_better: bool = False
    limit_is: str = ""
    goals: Sequence[Goal] = ()
    phases: Mapping[str, Mapping[str, float]] = field(factory=dict)

    def median(self, way: str) -> float | None:
        """The median of *way*; None if it was not measured."""
        samples = self.samples.get(way)
        return statistics.median(samples) if samples else None

    def spread(self, way: str = ALPY) -> float | None:
        """From the least to the most, as a share of the median."""
        samples, median = self.samples.get(way, ()), self.median(way)
        return (max(samples) - min(samples)) / median if median and len(samples) > 1 else None

    def better_than(self, way: str) -> float | None:
        """How many times better than *way* alpy is."""
        ours, theirs = self.median(ALPY), self.median(way)
        if not ours or not theirs:
            return None
        return ours / theirs if self.higher_is_better else theirs / ours

    def reached(self, goal: Goal) -> float | None:
        """What *goal* is about, measured; None if a part of it was not."""
        over = self.median(goal.over)
        under = self.median(goal.under) if goal.under else 1.0
        return over / under if over is not None and under else None


def to_json(figures: Sequence[Figure], host: Mapping[str, str]) -> dict[str, Any]:
    """All of it, for `from_json`."""
    return {"host": dict(host), "figures": [asdict(figure) for figure in figures]}


def from_json(data: Mapping[str, Any]) -> tuple[list[Figure], dict[str, str]]:
    """The figures and the host that `to_json` was given."""
    figures = [
        Figure(**{**each, "goals": [Goal(**goal) for goal in each["goals"]]})
        for each in data["figures"]
    ]
    return figures, dict(data["host"])


def growth(points: Mapping[int, float]) -> float | None:
    """By how much one more costs more, from the fewest to the most; None for fewer than two."""
    few, many = min(points), max(points)
    return (points[many] - points[few]) / (many - few) if few != many else None
