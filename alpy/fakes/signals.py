# SPDX-License-Identifier: GPL-3.0-or-later
"""What ends a test from outside, and comes exactly when the test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

# As a shell tells the end by SIGTERM.
TERMINATED = 128 + 15


@define(eq=False)
class _Process:
    """What all who wait for signals in one process share."""

    depth: int = 0
    held: BaseException | None = None
    taker: FakeSignals | None = None


@define(eq=False)
class FakeSignals:
    """Interrupts for a thread that gets them by `interrupt` and `terminate`."""

    _process: _Process = field(factory=_Process)

    def in_same_process(self) -> FakeSignals:
        """Another one, for a testbed inside of this one's."""
        return FakeSignals(self._process)

    @property
    def taken(self) -> bool:
        """Whether a termination would end the test in good order now."""
        return self._process.taker is not None

    def take(self) -> None:
        self._process.taker = self._process.taker or self

    def release(self) -> None:
        if self._process.taker is self:
            self._process.taker = None

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
        if not self._process.depth:
            raise end
        self._process.held = self._process.held or end

    @contextmanager
    def deferred(self, *_ends: BaseException | None) -> Iterator[None]:
        # However many come, this process does not end: it is the one that looks at what is left.
        self._process.depth += 1
        try:
            yield
        finally:
            self._process.depth -= 1
            self._deliver()

    def _deliver(self) -> None:
        process = self._process
        if process.held and not process.depth:
            end, process.held = process.held, None
            raise end
