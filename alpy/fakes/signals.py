# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a test from outside, and comes exactly when the test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

# As a shell tells the end by SIGTERM.
TERMINATED = 128 + 15


@define
class FakeSignals:
    """Interrupts for a thread that gets them by `interrupt` and `terminate`."""

    _depth: int = field(default=0, init=False)
    _held: BaseException | None = field(default=None, init=False)
    taken: bool = field(default=False, init=False)
    """Whether a termination would end the test in good order now."""

    def take(self) -> None:
        self.taken = True

    def release(self) -> None:
        self.taken = False

    def interrupt(self) -> None:
        """Press Ctrl-C now.

        Raises:
            KeyboardInterrupt: nothing defers it.
        """
        self.arrive(KeyboardInterrupt())

    def terminate(self) -> None:
        """Send SIGTERM now. Where it is not taken the process would be gone; here nothing happens.

        Raises:
            SystemExit: with code 143; nothing defers it.
        """
        if self.taken:
            self.arrive(SystemExit(TERMINATED))

    def arrive(self, end: BaseException) -> None:
        """Raise *end*, or hold it back where signals are deferred; the first counts."""
        if not self._depth:
            raise end
        self._held = self._held or end

    @contextmanager
    def deferred(self) -> Iterator[None]:
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            self._deliver()

    def _deliver(self) -> None:
        if self._held and not self._depth:
            end, self._held = self._held, None
            raise end
