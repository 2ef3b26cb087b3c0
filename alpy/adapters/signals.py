# SPDX-License-Identifier: GPL-3.0-or-later
"""The signals that end a test, held back while a step must not be cut in half."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final, NoReturn

_ENDING: Final = (signal.SIGTERM, signal.SIGHUP)
_HELD_BACK: Final = (signal.SIGINT, *_ENDING)
# So many signals, the one that began it all included, are an order to stop at once.
_IMPATIENCE: Final = 3
# As a shell tells the end by a signal.
_EXIT_BASE: Final = 128
_TERMINATED: Final = frozenset(_EXIT_BASE + number for number in _ENDING)


class ProcessSignals:
    """A Signals port for this process. Blocks nest: the outermost delivers.

    Python runs signal handlers in its main thread only, so elsewhere there is nothing to do.
    """

    def __init__(self) -> None:
        self._taken: list[signal.Signals] = []

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
        ours = [number for number in self._taken if signal.getsignal(number) is _exit]
        _put_back([(number, signal.SIG_DFL) for number in ours])
        self._taken.clear()

    @contextmanager
    def deferred(self, *ends: BaseException | None) -> Iterator[None]:
        if not _is_main_thread():
            yield
            return
        arrived: list[int] = []
        patience = _IMPATIENCE - sum(map(_is_interrupt, ends))

        def note(number: int, _frame: FrameType | None) -> None:
            arrived.append(number)
            if len(arrived) >= patience:
                os._exit(_EXIT_BASE + number)

        # A handler that Python did not set shows as None: it could not be put back, so it stays.
        untouched = (None, signal.SIG_IGN)
        handlers = [(number, signal.getsignal(number)) for number in _HELD_BACK]
        previous = [(number, each) for number, each in handlers if each not in untouched]
        try:
            for number, _ in previous:
                signal.signal(number, note)
            yield
        finally:
            try:
                _put_back(previous)
            finally:
                _deliver(list(dict.fromkeys(arrived)))


# Neither of these blocks the signals instead: while one thread does, another takes them, and it is
# in the main thread all the same that the handler raises.


def _put_back(handlers: list[tuple[signal.Signals, Any]]) -> None:
    """Set *handlers*, the last first, whatever those that are set already raise meanwhile."""
    try:
        while handlers:
            signal.signal(*handlers[-1])
            handlers.pop()
    finally:
        if handlers:
            _put_back(handlers)


def _deliver(numbers: list[int]) -> None:
    """Let each of *numbers* come now. What the first of them raises is the last, so it counts."""
    try:
        while numbers:
            signal.raise_signal(numbers.pop())
    finally:
        if numbers:
            _deliver(numbers)


def _is_interrupt(end: BaseException | None) -> bool:
    if isinstance(end, SystemExit):
        return isinstance(end.code, int) and end.code in _TERMINATED
    return isinstance(end, KeyboardInterrupt)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_EXIT_BASE + number)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
