# SPDX-License-Identifier: GPL-3.0-or-later
"""A person at the keyboard, whose Ctrl-C comes exactly when the test says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field


@define
class FakeSignals:
    """Interrupts for a thread that gets them by `interrupt`."""

    _depth: int = field(default=0, init=False)
    _held: bool = field(default=False, init=False)
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
        if not self._depth:
            raise KeyboardInterrupt
        self._held = True

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
            self._held = False
            raise KeyboardInterrupt
