# SPDX-License-Identifier: GPL-3.0-or-later
"""A watch that tests have in their hand."""

from __future__ import annotations

from attrs import define


class SomethingDiedError(Exception):
    """What such a watch raises."""


@define
class Lookout:
    """Counts how often it is asked, and from the look number *strikes_at* on finds a death."""

    looks: int = 0
    strikes_at: int | None = None

    def __call__(self) -> None:
        self.looks += 1
        if self.strikes_at is not None and self.looks >= self.strikes_at:
            raise SomethingDiedError
