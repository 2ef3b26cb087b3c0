# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's serial port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from attrs import frozen

from alpy.core.ports.clock import Clock


@frozen(kw_only=True)
class ConsoleMatch:
    """Which pattern matched, what it matched, and what was printed before it."""

    index: int
    before: str
    matched: str


class Console(Protocol):
    """The appliance's serial port. What it prints is kept from the first byte on, read or not."""

    @property
    def clock(self) -> Clock:
        """The clock that its timeouts are held against."""
        ...

    @property
    def spawn(self) -> Any:
        """The pexpect object itself, in bytes mode."""
        ...

    def send(self, text: str | bytes, *, secret: bool = False) -> None:
        """Type *text* as it is; text goes out as UTF-8. No log shows one that is *secret*.

        Raises:
            ConsoleClosedError: we closed it.
            ConsoleLostError: the appliance's end is gone.
            MachineDiedError: the hypervisor ended unasked.
        """
        ...

    def expect(self, patterns: str | Sequence[str], *, timeout: float) -> ConsoleMatch:
        """Read on to the first place where one of the regular expressions matches.

        A match is found in what was printed since the last match; "." matches line ends too. Of
        several patterns that match, the one that starts first counts, then the first in the list.
        What the watch raises that it was opened with, ends the wait.

        Raises:
            ConsoleTimeoutError: *timeout* seconds passed first; nothing of the output is lost.
            ConsoleClosedError, ConsoleLostError, MachineDiedError: as for `send`.
        """
        ...

    def close(self) -> None:
        """Let go of the console and complete its logs; calling it again does nothing.

        Raises:
            RunDirectoryError: a part of the logs could not be written. It is closed all the same.
        """
        ...
