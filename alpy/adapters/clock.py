# SPDX-License-Identifier: GPL-3.0-or-later
"""The real clock."""

from __future__ import annotations

import time


class SystemClock:
    """A Clock port on the system's monotonic time, which no change of the date moves."""

    def now(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds)
