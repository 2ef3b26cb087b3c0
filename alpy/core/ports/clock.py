# SPDX-License-Identifier: GPL-3.0-or-later
"""Time."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time that only goes forward, and the one that all limits are held against.

    For a host that is said to be slower it runs slower, and so each limit lasts longer.
    """

    @property
    def scale(self) -> float:
        """How many seconds of the host one second of this clock takes; 1 by default."""
        ...

    def now(self) -> float:
        """Seconds from a fixed, unknown start."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let *seconds* of this clock pass."""
        ...
