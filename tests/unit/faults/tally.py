# SPDX-License-Identifier: GPL-3.0-or-later
"""How many cases were tried, and what they violated."""

from __future__ import annotations

from collections import Counter

from attrs import define, field


@define
class Tally:
    """The count of a session, for its last line."""

    cases: Counter[str] = field(factory=Counter, init=False)
    """By what went wrong in them."""
    violations: int = 0

    @property
    def total(self) -> int:
        return self.cases.total()

    def __str__(self) -> str:
        return f"tier a: {self.total} cases, {self.violations} violations"
