# SPDX-License-Identifier: GPL-3.0-or-later
"""What an app writes: into its log whole, into memory and the debug log up to a limit."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from alpy.adapters.holdings import Holdings
from alpy.core.app import OUTPUT_LIMIT, AppOutput
from alpy.core.errors import RunDirectoryError
from alpy.core.narrative import get_logger

log = get_logger("alpy.app")

# The numbers of the streams in Docker's attach protocol.
STDOUT: Final = 1
STDERR: Final = 2
_STREAM_NAMES: Final = {STDOUT: "stdout", STDERR: "stderr"}

# Docker's header: the stream's number, three bytes of nothing, the length of what follows.
_HEADER: Final = struct.Struct(">BxxxL")
_READ_SIZE: Final = 1 << 16
# Seconds for a reader whose connection was shut down: it has one piece to write at most.
_STOP_LIMIT: Final = 5.0

# An app that writes 100 MB must not fill the debug log: its own log has it all.
LOGGED_LINES: Final = 2000
LOGGED_LENGTH: Final = 500


class FrameDecoder:
    """Takes Docker's attach protocol apart, wherever its bytes are torn."""

    def __init__(self) -> None:
        self._header = b""
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The streams' numbers and the bytes that *data* brings for them."""
        rest = memoryview(data)
        while rest:
            if self._left:
                piece, rest = rest[: self._left], rest[self._left :]
                self._left -= len(piece)
                yield self._stream, bytes(piece)
            else:
                missing = _HEADER.size - len(self._header)
                self._header += bytes(rest[:missing])
                rest = rest[missing:]
                self._read_header()

    def _read_header(self) -> None:
        if len(self._header) == _HEADER.size:
            self._stream, self._left = _HEADER.unpack(self._header)
            self._header = b""


class LineLogger:
    """Tells the debug log an app's lines: the first ones, each cut to a length."""

    def __init__(self, *, app: str, stream: str) -> None:
        self._app = app
        self._stream = stream
        self._rest = b""
        self._lines_left = LOGGED_LINES

    def feed(self, data: bytes) -> None:
        if not self._lines_left:
            return
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines[: self._lines_left]:
            self._log(line)
        # One byte more than is shown, so that a cut line is known as one.
        self._rest = rest[: LOGGED_LENGTH + 1]

    def finish(self) -> None:
        """Log a last line that has no end."""
        if self._rest and self._lines_left:
            self._log(self._rest)
        self._rest = b""

    def _log(self, line: bytes) -> None:
        text = line[:LOGGED_LENGTH].decode("utf-8", "backslashreplace")
        if len(line) > LOGGED_LENGTH:
            text += "..."
        log.debug(f"{self._app} {self._stream}", line=text)
        self._lines_left -= 1
        if not self._lines_left:
            log.debug(f"{self._app} {self._stream}: the rest is in its own log only")


class OutputRecord:
    """One app's output: all of it in the file *path*, its beginning here.

    Raises, when made:
        RunDirectoryError: the file can't be made.
    """

    def __init__(self, *, app: str, path: Path) -> None:
        self._path = path
        self._kept = {STDOUT: bytearray(), STDERR: bytearray()}
        self._lines = {
            number: LineLogger(app=app, stream=name) for number, name in _STREAM_NAMES.items()
        }
        self._truncated = False
        self._fault: OSError | None = None
        self._lock = threading.Lock()
        try:
            self._file = path.open("ab", buffering=0)
        except OSError as error:
            raise self._log_error(error) from error

    def write(self, stream: int, data: bytes) -> None:
        """Take *data* in. A log that can't be written is remembered for `check`."""
        self._append(data)
        with self._lock:
            kept = self._kept[stream]
            room = OUTPUT_LIMIT - len(kept)
            kept += data[:room]
            self._truncated = self._truncated or len(data) > room
        self._lines[stream].feed(data)

    def _append(self, data: bytes) -> None:
        if self._fault is not None:
            return  # a log with a hole would lie
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._fault = error

    def fileno(self) -> int:
        """The descriptor of the log."""
        return self._file.fileno()

    def finish(self) -> None:
        """The streams have ended: log what stands behind the last line end."""
        for lines in self._lines.values():
            lines.finish()

    def output(self) -> AppOutput:
        with self._lock:
            return AppOutput(
                stdout=bytes(self._kept[STDOUT]),
                stderr=bytes(self._kept[STDERR]),
                truncated=self._truncated,
            )

    def close(self) -> None:
        """Close the log; again does nothing."""
        self._file.close()

    def check(self) -> None:
        """Look whether the log is whole.

        Raises:
            RunDirectoryError: a part of it could not be written.
        """
        if self._fault is not None:
            raise self._log_error(self._fault) from self._fault

    def _log_error(self, error: OSError) -> RunDirectoryError:
        return RunDirectoryError(
            asked=f"write the app's log {self._path}",
            found=os.strerror(error.errno or 0),
            remedy="Make room on its disk, or choose another run directory.",
        )


class OutputReader:
    """Reads an attached container in a thread, until its streams end."""

    def __init__(
        self,
        *,
        connection: socket.socket,
        record: OutputRecord,
        terminal: bool,
        holdings: Holdings | None = None,
    ) -> None:
        self._connection = connection
        self._record = record
        # With a terminal, Docker sends bytes without headers, all of one stream.
        self._decoder = None if terminal else FrameDecoder()
        self._thread = (holdings or Holdings()).thread(self._read, "app")
        self._thread.start()

    def _read(self) -> None:
        with self._connection:
            while data := self._receive():
                if self._decoder is None:
                    self._record.write(STDOUT, data)
                else:
                    for stream, piece in self._decoder.feed(data):
                        self._record.write(stream, piece)
        self._record.finish()

    def _receive(self) -> bytes:
        try:
            return self._connection.recv(_READ_SIZE)
        except OSError:
            return b""  # a broken connection ends the streams; the container's state tells why

    def wait_for_end(self, *, timeout: float) -> bool:
        """Whether the streams have ended, after *timeout* seconds at most."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def stop(self, *, timeout: float) -> None:
        """End the reading: by the streams' end within *timeout* seconds, or else at once."""
        if self.wait_for_end(timeout=timeout):
            return
        with contextlib.suppress(OSError):  # it may have ended by itself just now
            self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(_STOP_LIMIT)
