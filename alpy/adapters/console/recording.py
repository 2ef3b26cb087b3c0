# SPDX-License-Identifier: GPL-3.0-or-later
"""All that an appliance has printed: on disk at once, and read again from there.

The file is the buffer. So the memory stays small however much is printed and not read, and
`tail -F console.log` shows each byte as it comes.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from alpy.core.errors import RunDirectoryError

# If the disk is full, the test still sees this much that it has not read yet, oldest lost first.
_SPARE_BYTES = 16 * 2**20


class RecordingEndError(Exception):
    """All was read, and nothing more will come."""


class Recording:
    """One thread appends; others wait for what comes. Positions count from 0, for the first byte.

    Raises:
        RunDirectoryError: the file can't be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise not_written(path, error) from error
        self._base = os.fstat(self._file).st_size
        self._on_disk = 0
        self._spare = bytearray()
        self._spare_start = 0
        self._news = threading.Condition()
        self._ended = False
        self.fault: OSError | None = None

    def fileno(self) -> int:
        """The descriptor of the file; less than 0 once it is closed."""
        return self._file

    def append(self, data: bytes) -> None:
        """Add *data*. When the disk does not take it, it is kept in memory. Never raises."""
        with self._news:
            rest = data if self.fault else self._write(data)
            self._spare += rest
            excess = len(self._spare) - _SPARE_BYTES
            if excess > 0:
                self._drop(excess)
            self._news.notify_all()

    def end(self) -> None:
        """Nothing more will come."""
        with self._news:
            self._ended = True
            self._news.notify_all()

    def read(self, position: int, size: int, timeout: float | None) -> tuple[bytes, int]:
        """Up to *size* bytes from *position* on, and the position behind them.

        Raises:
            TimeoutError: nothing came within *timeout* seconds; None waits without limit.
            RecordingEndError: all was read, and nothing more will come.
            RunDirectoryError: somebody cut the file off.
        """
        end = None if timeout is None else time.monotonic() + timeout
        with self._news:
            while position >= self._length:
                if self._ended:
                    raise RecordingEndError
                left = None if end is None else end - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError
                self._news.wait(left)
            return self._take(position, size)

    def close(self) -> None:
        """Wake who waits, and close the file. Again does nothing."""
        self.end()
        with self._news:
            if self._file >= 0:
                os.close(self._file)
                self._file = -1
                self._on_disk = 0
                self._spare.clear()

    @property
    def _length(self) -> int:
        return max(self._on_disk, self._spare_start + len(self._spare))

    def _write(self, data: bytes) -> bytes:
        view = memoryview(data)
        try:
            while view:
                written = os.write(self._file, view)
                view = view[written:]
                self._on_disk += written
        except OSError as error:
            self.fault = error
            self._spare_start = self._on_disk
        return bytes(view)

    def _take(self, position: int, size: int) -> tuple[bytes, int]:
        if position < self._on_disk:
            data = os.pread(self._file, min(size, self._on_disk - position), self._base + position)
            if not data:
                raise RunDirectoryError(
                    asked=str(self._path),
                    found="shorter than what was written to it",
                    remedy="Let nothing truncate it while the test runs; copy it instead.",
                )
            return data, position + len(data)
        start = max(position, self._spare_start)
        data = bytes(self._spare[start - self._spare_start :][:size])
        self._drop(start + len(data) - self._spare_start)
        return data, start + len(data)

    def _drop(self, count: int) -> None:
        del self._spare[:count]
        self._spare_start += count


def not_written(path: Path, error: OSError) -> RunDirectoryError:
    """The error for evidence that the disk did not take."""
    return RunDirectoryError(
        asked=f"write {path}",
        found=error.strerror or str(error),
        remedy="Give the run directory room and write permission.",
    )
