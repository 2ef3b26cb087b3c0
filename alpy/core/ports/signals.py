# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals to this process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Signals(Protocol):
    """The signals that end the test: Ctrl-C by a person, a termination, a terminal that is gone."""

    def take(self) -> None:
        """Let a termination end the test as Ctrl-C does, so that it is torn down.

        From now on SIGTERM and SIGHUP raise SystemExit with exit code 128 + signal. A handler that
        the program has set stays, and in a thread that gets no signals this does nothing.
        """
        ...

    def release(self) -> None:
        """Put back what `take` replaced; again does nothing."""
        ...

    def deferred(self, *ends: BaseException | None) -> AbstractContextManager[None]:
        """Hold an interrupt back inside the block, and deliver it once at the end.

        Of different signals each is delivered. Who sends three does not want to wait: the process
        ends at once, and leaves the rest to its guard. What has ended the test so far, *ends*,
        counts too where it was such a signal. One that the program ignores stays ignored, and in a
        thread that gets no signals this does nothing.
        """
        ...
