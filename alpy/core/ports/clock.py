# SPDX-License-Identifier: GPL-3.0-or-later
"""Time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time that only goes forward."""

    def now(self) -> float:
        """Seconds from a fixed, unknown start."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let *seconds* pass."""
        ...
