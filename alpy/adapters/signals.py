# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals that end a test, held back while a step must not be cut in half."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_HELD_BACK: Final = (signal.SIGINT, *_ENDING)
# So many signals in one block are an order to stop at once.
_IMPATIENCE: Final = 3
# As a shell tells the end by a signal.
_EXIT_BASE: Final = 128


class ProcessSignals:
    """A Signals port for this process. Blocks nest: the outermost delivers.

    Python runs signal handlers in its main thread only, so elsewhere there is nothing to do.
    """

    def __init__(self) -> None:
        self._taken: list[int] = []

    def take(self) -> None:
        if not _is_main_thread():
            return
        for number in _ENDING:
            if signal.getsignal(number) is signal.SIG_DFL:
                self._taken.append(number)
                signal.signal(number, _exit)

    def release(self) -> None:
        if not _is_main_thread():
            return
        while self._taken:
            number = self._taken[-1]
            if signal.getsignal(number) is _exit:
                signal.signal(number, signal.SIG_DFL)
            self._taken.pop()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        if not _is_main_thread():
            yield
            return
        arrived: list[int] = []

        def note(number: int, _frame: FrameType | None) -> None:
            arrived.append(number)
            if len(arrived) == _IMPATIENCE:
                os._exit(_EXIT_BASE + number)

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


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_EXIT_BASE + number)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
