# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures as tables of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.figures import ALPY, LIMIT, PEER, Circumstances, Figure, Goal

# At least so much, and then so many digits behind the point.
_DIGITS: Final = ((100, 0), (10, 1), (1, 2))
_NONE: Final = "-"
# With more of the CPUs taken by others, a figure tells about them too.
_TOLERABLE_LOAD: Final = 0.1


def report(figures: Sequence[Figure], circumstances: Circumstances) -> str:
    """Everything: the goals first, then all figures, then the circumstances."""
    parts = [_goals(figures), _figures(figures), _circumstances(circumstances)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _circumstances(circumstances: Circumstances) -> str:
    facts = "; ".join(f"{name} {value}" for name, value in circumstances.host.items())
    load = f"{100 * circumstances.foreign_load:.0f} %"
    said = f"Measured on: {facts}; in {clock(circumstances.seconds)} minutes."
    if circumstances.foreign_load <= _TOLERABLE_LOAD:
        return f"{said} Others took {load} of its CPUs."
    return f"{said}\n\n**Others took {load} of its CPUs: measure again when it is idle.**"


def _goals(figures: Sequence[Figure]) -> str:
    rows = [_goal_row(figure, goal) for figure in figures for goal in figure.goals]
    return _table(["to reach", "measured", "reached"], rows) if rows else ""


def _goal_row(figure: Figure, goal: Goal) -> list[str]:
    value = figure.reached(goal)
    if value is None:
        return [goal.words, _NONE, "not measured"]
    said = f"{value:.2f}" if goal.under else with_unit(value, figure.unit)
    return [goal.words, said, "yes" if goal.admits(value) else "**no**"]


def _figures(figures: Iterable[Figure]) -> str:
    head = ["", ALPY, "±", PEER, "better by", "limit", "at", "what the limit is"]
    return _table(head, [_figure_row(figure) for figure in figures])


def _figure_row(figure: Figure) -> list[str]:
    spread, better, at = figure.spread(), figure.better_than(PEER), figure.better_than(LIMIT)
    return [
        figure.name,
        _cell(figure, ALPY),
        _NONE if spread is None else f"{50 * spread:.0f} %",
        _cell(figure, PEER),
        _NONE if better is None else f"{better:.1f}",
        _cell(figure, LIMIT),
        _NONE if at is None else f"{100 * at:.0f} %",
        figure.limit_is,
    ]


def _cell(figure: Figure, way: str) -> str:
    median = figure.median(way)
    return _NONE if median is None else with_unit(median, figure.unit)


def with_unit(value: float, unit: str) -> str:
    """With three digits that count, and the unit where there is one."""
    digits = next((digits for least, digits in _DIGITS if value >= least), 3)
    number = f"{value:,.{0 if value == int(value) else digits}f}"
    return f"{number} {unit}".rstrip()


def clock(seconds: float) -> str:
    """As minutes and seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
