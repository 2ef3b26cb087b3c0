# SPDX-License-Identifier: GPL-3.0-or-later
"""Two plots as SVG, without a background, in colours that can be read on light and on dark."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from benchmarks.figures import ALPY, LIMIT, PEER, Figure

_FONT: Final = "system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"
# Contrast above 4 on white, and on the near-black of common dark themes.
_TEXT: Final = "#767d86"
_GRID: Final = "#8b929a"
_COLOURS: Final = {ALPY: "#2f86eb", PEER: "#d9761a", LIMIT: "#2a9d6f"}
_PHASE_COLOURS: Final = ("#2f86eb", "#2a9d6f", "#d9761a", "#a469d6", "#868e96")
_LINE_HEIGHT: Final = 18


@frozen(kw_only=True)
class _Scale:
    """From a value to pixels; *low* and *high* are the ends, by powers of two or evenly."""

    low: float
    high: float
    start: float
    end: float
    powers: bool = field(default=True)

    def at(self, value: float) -> float:
        low, high, here = map(self._rank, (self.low, self.high, value))
        return self.start + (here - low) / (high - low) * (self.end - self.start)

    def _rank(self, value: float) -> float:
        return math.log2(value) if self.powers else value


def links_plot(figures: Sequence[Figure]) -> str | None:
    """Seconds until the network is up, by the number of links; None if that was not measured."""
    lines: dict[str, dict[int, float]] = {}
    for figure in figures:
        if found := re.fullmatch(r"network up, (\d+) links?", figure.name):
            for way in (ALPY, PEER, LIMIT):
                median = figure.median(way)
                if median is not None:
                    lines.setdefault(way, {})[int(found[1])] = median
    counts = sorted({count for line in lines.values() for count in line})
    if len(counts) <= 1:
        return None
    title = "Seconds until the network is up, by the number of links"
    return _svg(720, 400, title, _links_marks(lines, counts))


def _links_marks(lines: Mapping[str, Mapping[int, float]], counts: Sequence[int]) -> Iterator[str]:
    values = [value for line in lines.values() for value in line.values()]
    low, high = (2.0 ** step(math.log2(end(values))) for step, end in (_FLOOR, _CEILING))
    x = _Scale(low=counts[0], high=counts[-1], start=64, end=524)
    y = _Scale(low=low, high=high, start=346, end=44)
    yield _text(x.start, 24, "seconds until the network is up", weight=600)
    for power in range(round(math.log2(low)), round(math.log2(high)) + 1):
        height = y.at(2.0**power)
        yield f'<path d="M{x.start} {height:.1f}H{x.end}" stroke="{_GRID}" stroke-opacity=".3"/>'
        yield _text(x.start - 10, height + 5, f"{2.0**power:g}", anchor="end")
    for count in counts:
        yield _text(x.at(count), y.start + 24, str(count), anchor="middle")
    yield _text((x.start + x.end) / 2, y.start + 46, "links", anchor="middle")
    heights = _apart([y.at(line[max(line)]) for line in lines.values()], _LINE_HEIGHT + 2)
    for (way, line), height in zip(lines.items(), heights, strict=True):
        points = " ".join(f"{x.at(n):.1f},{y.at(line[n]):.1f}" for n in sorted(line))
        colour = _COLOURS[way]
        dash = ' stroke-dasharray="5 4"' if way == LIMIT else ""
        look = f'fill="none" stroke="{colour}" stroke-width="2.5"{dash}'
        yield f'<polyline points="{points}" {look}/>'
        for point in points.split():
            across, down = point.split(",")
            yield f'<circle cx="{across}" cy="{down}" r="4" fill="{colour}"/>'
        name = "bare containers" if way == LIMIT else way
        said = f"{name}: {line[max(line)]:.1f} s"
        yield _text(x.end + 14, height + 5, said, colour=colour, weight=600)


def life_plot(figures: Sequence[Figure]) -> str | None:
    """What the life of a test consists of; None if that was not measured."""
    phases = next((figure.phases for figure in figures if figure.phases), None)
    if not phases:
        return None
    title = "Seconds of a whole test with two links, and what they go to"
    return _svg(720, 96 + 54 * len(phases), title, _life_marks(phases))


def _life_marks(phases: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    longest = max(sum(parts.values()) for parts in phases.values())
    x = _Scale(low=0, high=longest, start=160, end=640, powers=False)
    yield _text(16, 24, "seconds of a whole test with two links", weight=600)
    names = list(next(iter(phases.values())))
    across = 16.0
    for name, colour in zip(names, _PHASE_COLOURS, strict=False):
        yield f'<rect x="{across}" y="42" width="14" height="14" rx="3" fill="{colour}"/>'
        yield _text(across + 20, 54, name)
        across += 48 + 7.6 * len(name)
    for row, (way, parts) in enumerate(phases.items()):
        top = 80 + 54 * row
        yield _text(x.start - 12, top + 22, way, anchor="end", weight=600)
        begin = 0.0
        for seconds, colour in zip(parts.values(), _PHASE_COLOURS, strict=False):
            left, right = x.at(begin), x.at(begin + seconds)
            size = f'width="{right - left:.1f}" height="34"'
            yield f'<rect x="{left:.1f}" y="{top}" {size} fill="{colour}"/>'
            begin += seconds
        yield _text(x.at(begin) + 10, top + 22, f"{begin:.1f} s", weight=600)


_FLOOR: Final = (math.floor, min)
_CEILING: Final = (math.ceil, max)


def _apart(heights: Sequence[float], least: float) -> list[float]:
    """The same heights, moved down where they are closer than *least* to the one above."""
    placed: dict[int, float] = {}
    above = -math.inf
    for index in sorted(range(len(heights)), key=heights.__getitem__):
        above = placed[index] = max(heights[index], above + least)
    return [placed[index] for index in range(len(heights))]


def _text(
    x: float, y: float, words: str, *, anchor: str = "start", weight: int = 400, colour: str = _TEXT
) -> str:
    words = words.replace("&", "&amp;").replace("<", "&lt;")
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{words}</text>'


def _svg(width: int, height: int, title: str, marks: Iterator[str]) -> str:
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    font = f'font-family="{_FONT}" font-size="14"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" {font}>'
    return "\n".join(
        [head, f"  <title>{title}</title>", *(f"  {mark}" for mark in marks), "</svg>\n"]
    )
