# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals that end a test, held back while a step must not be cut in half."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_HELD_BACK: Final = (signal.SIGINT, signal.SIGTERM)


class ProcessSignals:
    """A Signals port for this process. Blocks nest: the outermost delivers."""

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Hold SIGINT and SIGTERM back inside the block; the first that came is delivered after.

        Python runs signal handlers in its main thread only, so elsewhere there is nothing to hold.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        arrived: list[int] = []

        def note(number: int, _frame: FrameType | None) -> None:
            arrived.append(number)

        # A handler that Python did not set shows as None: it could not be put back, so it stays.
        previous = {
            number: handler
            for number in _HELD_BACK
            if (handler := signal.getsignal(number)) is not None
        }
        try:
            for number in previous:
                signal.signal(number, note)
            yield
        finally:
            # Blocked for this moment only: an interrupt between two of these lines would be lost.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, previous)
            for number, handler in previous.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if arrived:
                signal.raise_signal(arrived[0])
