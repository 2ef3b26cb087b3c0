# SPDX-License-Identifier: GPL-3.0-or-later
"""The real clock."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Final

from attrs import Attribute, field, frozen

from alpy.core.errors import InvalidValueError

SCALE_VARIABLE: Final = "ALPY_TIME_SCALE"


def _factor(_clock: SystemClock, _attribute: Attribute[float], scale: float) -> None:
    if not (math.isfinite(scale) and scale > 0):
        raise InvalidValueError(f"time scale {scale}: a number above 0 is wanted")


@frozen
class SystemClock:
    """A Clock port on the system's monotonic time, which no change of the date moves."""

    scale: float = field(default=1.0, validator=_factor)

    def now(self) -> float:
        return time.monotonic() / self.scale

    def sleep(self, seconds: float, /) -> None:
        time.sleep(seconds * self.scale)


def clock_of(environment: Mapping[str, str]) -> SystemClock:
    """The clock of a host that is so many times slower as the *environment* says, if it does.

    Raises:
        InvalidValueError: what it says can't be.
    """
    word = environment.get(SCALE_VARIABLE) or "1"
    try:
        return SystemClock(float(word))
    except ValueError as error:
        raise InvalidValueError(
            f"{SCALE_VARIABLE} = {word!r}: a number above 0 is wanted"
        ) from error
