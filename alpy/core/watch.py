# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking around while a test waits: what has died is raised in whatever call the test is in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

Watch: TypeAlias = Callable[[], None]
"""Raises what has died of all that a test relies on. It is quick, and every wait calls it."""

# Between two looks around, in seconds: what died is told so soon.
INTERVAL: Final = 0.25


def unwatched() -> None:
    """Nothing else is relied on."""
