# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's transcript: each line of both directions, behind a time stamp."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from alpy.adapters.run_directory import time_stamp, utc_now
from alpy.core.errors import RunDirectoryError


class QmpTranscript:
    """Written by whoever talks on the monitor, from any thread. What can't be written is told at
    the end, for it must not disturb the talk."""

    def __init__(self, path: Path, *, now: Callable[[], datetime] = utc_now) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._fault: OSError | None = None
        self._closed = False

    def sent(self, line: bytes) -> None:
        self._write(">>>", line)

    def received(self, line: bytes | bytearray) -> None:
        self._write("<<<", line)

    def close(self) -> None:
        """End the transcript; again does nothing.

        Raises:
            RunDirectoryError: a line could not be written, now or earlier.
        """
        with self._lock:
            fault, closed, self._closed = self._fault, self._closed, True
        if fault and not closed:
            raise RunDirectoryError(
                asked=f"write {self._path}",
                found=str(fault.strerror),
                remedy="The transcript of this run is not complete; make room for the next one",
            ) from fault

    def _write(self, direction: str, line: bytes | bytearray) -> None:
        text = line.decode(errors="backslashreplace").rstrip()
        with self._lock:
            if self._closed or self._fault:
                return
            try:
                # A few lines a run: not worth a file that is open all the time.
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(f"{time_stamp(self._now())} {direction} {text}\n")
            except OSError as error:
                self._fault = error
