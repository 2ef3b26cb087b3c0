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


@frozen(kw_only=True)
class Circumstances:
    """Under which everything was measured.

    *host*: facts about it, by their names. *foreign_load*: the share of its CPUs that others took
    before or after, whichever was more. *seconds*: how long all of it took.
    """

    host: Mapping[str, str] = field(factory=dict)
    foreign_load: float = 0.0
    seconds: float = 0.0


def missed(figures: Sequence[Figure]) -> list[Goal]:
    """The goals that were not reached, or that nothing was measured for."""
    return [
        goal
        for figure in figures
        for goal in figure.goals
        if (value := figure.reached(goal)) is None or not goal.admits(value)
    ]


def to_json(figures: Sequence[Figure], circumstances: Circumstances) -> dict[str, Any]:
    """All of it, for `from_json`."""
    return {**asdict(circumstances), "figures": [asdict(figure) for figure in figures]}


def from_json(data: Mapping[str, Any]) -> tuple[list[Figure], Circumstances]:
    """The figures and circumstances that `to_json` was given."""
    rest = dict(data)
    figures = [
        Figure(**{**each, "goals": [Goal(**goal) for goal in each["goals"]]})
        for each in rest.pop("figures")
    ]
    return figures, Circumstances(**rest)


def slope(points: Mapping[int, float]) -> float | None:
    """By how much one more costs more: the line of least squares; None for fewer than two."""
    if len(points) <= 1:
        return None
    return statistics.linear_regression(list(points), list(points.values())).slope
