# SPDX-License-Identifier: GPL-3.0-or-later
"""The wire under the package `qmp`: whole lines, deadlines, and answers that fit their command."""

from __future__ import annotations

import errno
import json
import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from alpy.adapters.holdings import Holdings
from alpy.adapters.qmp.transcript import QmpTranscript
from alpy.core.narrative import get_logger
from alpy.core.waiting import Deadline
from alpy.core.watch import INTERVAL, Watch, unwatched

_CHUNK: Final = 1 << 16
# The longest line that QEMU is known to send, its own schema, has a quarter of a million bytes.
LINE_LIMIT: Final = 10 << 20
# Lines that nobody asked for and that are no events, before the oldest is forgotten.
_UNASKED_LIMIT: Final = 1000
_JOIN_SECONDS: Final = 1.0

_log = get_logger("alpy.monitor")

EventSink = Callable[[dict[str, Any]], None]


class QmpTransport:
    """Stands where `qmp` has its socket and its file, and does for it what it can't do itself.

    A thread reads all the time: `qmp` never sees half a line, an event, or the late answer to a
    command that was given up, and never waits past the deadline of `expect_answer`.
    """

    def __init__(
        self,
        *,
        connection: socket.socket,
        transcript: QmpTranscript,
        on_event: EventSink,
        on_end: Callable[[], None],
        watch: Watch = unwatched,
        holdings: Holdings | None = None,
    ) -> None:
        self._connection = connection
        self._transcript = transcript
        self._on_event = on_event
        self._on_end = on_end
        self._watch = watch
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque(maxlen=_UNASKED_LIMIT)
        self._unsent = bytearray()
        self._attached: int | None = None
        self._awaited: int | None = None
        self._deadline: Deadline | None = None
        self._fault: str | None = None
        self.ended = False
        self._reader = (holdings or Holdings()).thread(self._read, "monitor")

    def start(self) -> None:
        """Begin to read."""
        self._reader.start()

    def expect_answer(
        self, number: int | None, deadline: Deadline, *, attached: int | None = None
    ) -> None:
        """From now on all is for the command with this id, and until *deadline*.

        The descriptor *attached* goes along with it.
        """
        self._awaited, self._deadline, self._attached = number, deadline, attached

    def wait_for_end(self) -> None:
        """Wait until all is read from a peer that has gone."""
        if self._reader.ident is not None:
            self._reader.join(_JOIN_SECONDS)

    # What `qmp` calls, with its names:

    def connect(self, _address: object) -> None:
        """Nothing to do: we were given an open connection."""

    def makefile(self) -> QmpTransport:
        return self

    def sendall(self, data: bytes) -> None:
        self._transcript.sent(data)
        # What is left of a command that was given up goes first, or the rest would be gibberish.
        self._unsent += data + b"\n"
        poll = select.poll()
        poll.register(self._connection, select.POLLOUT)
        while self._unsent:
            if not poll.poll(min(INTERVAL, self._remaining()) * 1000):
                self._wait_on()
                continue
            try:
                sent = self._send()
            except ConnectionError as error:
                # It has hung up: what it had to say is there, and its end with it.
                self.wait_for_end()
                # The one end of a connection that `qmp` understands.
                raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from error
            del self._unsent[:sent]

    def readline(self) -> str:
        """A whole line, or "" when there will be none."""
        while (line := self._next_line(min(INTERVAL, self._remaining()))) is None:
            self._wait_on()
        return line

    def _next_line(self, seconds: float) -> str | None:
        """What `readline` returns, or None if it did not come within *seconds*."""
        with self._changed:
            if not (self._lines or self.ended):
                self._changed.wait(seconds)
            while self._lines:
                line = self._lines.popleft()
                if self._fits(line):
                    return line.decode(errors="replace")
            if self._fault:
                raise ValueError(self._fault)
            return "" if self.ended else None

    def _send(self) -> int:
        if self._attached is None:
            return self._connection.send(self._unsent, socket.MSG_DONTWAIT)
        sent = socket.send_fds(
            self._connection, [self._unsent], [self._attached], socket.MSG_DONTWAIT
        )
        self._attached = None
        return sent

    def _wait_on(self) -> None:
        if not self._remaining():
            raise TimeoutError
        self._watch()

    def close(self) -> None:
        """Hang up and end the thread; again does nothing."""
        # Wakes the reader, which closing alone would not.
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self.wait_for_end()
        self._connection.close()
        self._end(None)

    def _remaining(self) -> float:
        """In seconds of the host."""
        return self._deadline.host_remaining if self._deadline else 0.0

    def _fits(self, line: bytes) -> bool:
        message = _message(line)
        number = message.get("id")
        # A complaint about what could not even be parsed has no id.
        if number == self._awaited or (number is None and "return" not in message):
            return True
        _log.debug("late answer dropped", id=number)
        return False

    def _read(self) -> None:
        rest = bytearray()
        fault = None
        try:
            while chunk := self._connection.recv(_CHUNK):
                rest += chunk
                if b"\n" in chunk:
                    *lines, rest = rest.split(b"\n")
                    for line in lines:
                        self._receive(bytes(line))
                if len(rest) > LINE_LIMIT:
                    fault = f"a line of more than {LINE_LIMIT} bytes"
                    break
        except OSError as error:
            # A peer that was killed resets the connection: an end like any other.
            _log.debug("connection lost", why=str(error))
        finally:
            if rest:
                self._transcript.received(rest[:_CHUNK])
            self._end(fault)

    def _receive(self, line: bytes) -> None:
        if not line.strip():
            return
        self._transcript.received(line)
        message = _message(line)
        if "event" in message:
            self._on_event(message)
            return
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    def _end(self, fault: str | None) -> None:
        with self._changed:
            self._fault = self._fault or fault
            self.ended = True
            self._changed.notify_all()
        self._on_end()


def _message(line: bytes) -> dict[str, Any]:
    """The object in *line*; an empty one if it holds none, which `qmp` then complains about."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return message if isinstance(message, dict) else {}
