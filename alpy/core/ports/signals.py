# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals to this process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Signals(Protocol):
    """The signals that a person sends to end the test."""

    def deferred(self) -> AbstractContextManager[None]:
        """Hold an interrupt back inside the block, and deliver it once at the end.

        In a thread that gets no signals this does nothing.
        """
        ...
