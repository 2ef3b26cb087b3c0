# SPDX-License-Identifier: GPL-3.0-or-later
"""The table in docs/performance.md, and the plots beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks.figures import Circumstances, Figure
from benchmarks.plot import life_plot, links_plot
from benchmarks.report import report

_DOCS: Final = Path(__file__).parents[1] / "docs"
BEGIN: Final = "<!-- written by scripts/bench --write-docs -->"
END: Final = "<!-- end of what scripts/bench writes -->"


def write(figures: Sequence[Figure], circumstances: Circumstances) -> Iterator[Path]:
    """Write what *figures* are enough for; each path as soon as it is written."""
    page = _DOCS / "performance.md"
    table = report(figures, circumstances)
    page.write_text(with_table(page.read_text(encoding="utf-8"), table), encoding="utf-8")
    yield page
    for name, plot in (("network-up", links_plot(figures)), ("life", life_plot(figures))):
        if plot:
            path = _DOCS / "figures" / f"{name}.svg"
            path.write_text(plot, encoding="utf-8")
            yield path


def with_table(page: str, table: str) -> str:
    """*page*, with *table* in place of what stands between the marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table}\n{END}{after}"
