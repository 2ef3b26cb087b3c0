# SPDX-License-Identifier: GPL-3.0-or-later
"""The appliance's serial port, on pexpect."""

from __future__ import annotations

import re
import select
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from pexpect import EOF, TIMEOUT

from alpy.adapters.console.recording import Recording, not_written
from alpy.adapters.console.spawn import ConsoleSpawn
from alpy.adapters.console.tcp import ConsoleServer
from alpy.adapters.console.text import Escaper, Lines, escape
from alpy.adapters.holdings import Holdings
from alpy.core.errors import (
    AlpyError,
    ConsoleClosedError,
    ConsoleLostError,
    ConsoleTimeoutError,
)
from alpy.core.narrative import get_logger
from alpy.core.ports import Clock, ConsoleMatch
from alpy.core.waiting import Deadline
from alpy.core.watch import INTERVAL, Watch, unwatched

_READ_BYTES = 64 * 2**10
_LINE_LIMIT = 500
_CLOSE_SECONDS = 5.0

log = get_logger("alpy.console")


class PexpectConsole:
    """A Console port on our end of the socket that is the hypervisor's serial port.

    A thread reads all the time: it appends the bytes to *raw_log* and escaped text to *text_log*.
    *on_lost* tells, when the far end is gone, what is to be raised instead of ConsoleLostError.
    *watch* is called several times a second while something is awaited.
    With *tcp_port*, people can watch and type there (0 chooses a free one, see `tcp_port`).

    Raises:
        RunDirectoryError: a log can't be opened.
        HostError: the TCP port is taken.
    """

    def __init__(
        self,
        *,
        connection: socket.socket,
        raw_log: Path,
        text_log: Path,
        clock: Clock,
        on_lost: Callable[[], AlpyError | None],
        watch: Watch = unwatched,
        tcp_port: int | None = None,
        send_timeout: float = 10.0,
        holdings: Holdings | None = None,
    ) -> None:
        self._connection, self._clock, self._on_lost = connection, clock, on_lost
        self._send_timeout = send_timeout
        self._holdings = holdings or Holdings()
        self._closed = False
        self._send_lock, self._close_lock = threading.Lock(), threading.Lock()
        self._raw_path, self._text_path = raw_log, text_log
        self._text_fault: OSError | None = None
        self._escaper, self._lines = Escaper(), Lines(_LINE_LIMIT)
        self._server: ConsoleServer | None = None
        self._recording, self._text_log = self._open_logs()
        for log_file in (self._recording, self._text_log):
            self._holdings.note(log_file, "console")
        self._server = self._listen(tcp_port)
        self._spawn = ConsoleSpawn(
            self._recording,
            type_in=self._type_in,
            close=self.close,
            check_end=self._check_end,
            watch=watch,
            time_scale=clock.scale,
        )
        self._watch = watch
        connection.setblocking(False)
        self._reader = self._holdings.thread(self._read_all, "console")
        try:
            self._reader.start()
        except BaseException:
            # An interrupt: nobody else will know of this console.
            self._let_go()
            raise

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def spawn(self) -> ConsoleSpawn:
        return self._spawn

    @property
    def tcp_port(self) -> int | None:
        """The port on 127.0.0.1 where people can watch and type, if asked for."""
        return self._server.port if self._server else None

    def send(self, text: str | bytes, *, secret: bool = False) -> None:
        if secret:
            self._type_in(text.encode() if isinstance(text, str) else text, shown="(secret)")
        else:
            self._spawn.send(text)

    def expect(self, patterns: str | Sequence[str], *, timeout: float) -> ConsoleMatch:
        wanted = [patterns] if isinstance(patterns, str) else list(patterns)
        awaited = " or ".join(map(repr, wanted))
        self._check_open()
        start = self._spawn.unmatched_from
        try:
            index = self._spawn.expect(
                [re.compile(pattern.encode(), re.DOTALL) for pattern in wanted], timeout=timeout
            )
        except TIMEOUT as error:
            if self._spawn.forgot:
                self._spawn.rewind(start)
            raise ConsoleTimeoutError(
                awaited=awaited, seconds=timeout, seen=self._seen()
            ) from error
        except EOF as error:
            raise self._ended(awaited) from error
        self._spawn.forgot = False
        return ConsoleMatch(
            index=index, before=_text(self._spawn.before), matched=_text(self._spawn.after)
        )

    def close(self) -> None:
        with self._close_lock:
            if self._closed:
                return
            self._closed = self._spawn.closed = True
            self._let_go()
        faults = ((self._raw_path, self._recording.fault), (self._text_path, self._text_fault))
        for path, fault in faults:
            if fault is not None:
                raise not_written(path, fault) from fault

    def _open_logs(self) -> tuple[Recording, BinaryIO]:
        recording = Recording(self._raw_path)
        try:
            return recording, self._text_path.open("ab", buffering=0)
        except OSError as error:
            recording.close()
            raise not_written(self._text_path, error) from error

    def _listen(self, port: int | None) -> ConsoleServer | None:
        if port is None:
            return None
        try:
            return ConsoleServer(port, type_in=self._type_in, holdings=self._holdings)
        except AlpyError:
            self._recording.close()
            self._text_log.close()
            raise

    def _let_go(self) -> None:
        try:
            # What is in the socket already is still read, then comes the end.
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            log.debug("Console was gone already", why=str(error))
        if self._reader.ident is not None:
            self._reader.join(_CLOSE_SECONDS * self._clock.scale)
        if self._server:
            self._server.close()
        self._connection.close()
        self._recording.close()
        self._text_log.close()

    # What is printed

    def _read_all(self) -> None:
        readable = select.poll()
        readable.register(self._connection, select.POLLIN)
        while True:
            try:
                data = self._connection.recv(_READ_BYTES)
            except BlockingIOError:
                readable.poll()
                continue
            except OSError as error:
                log.debug("Console broke", why=str(error))
                break
            if not data:
                break
            self._keep(data)
        self._write_text(self._escaper.feed(b"", final=True))
        for line in self._lines.rest():
            log.debug("Received", line=line)
        self._recording.end()

    def _keep(self, data: bytes) -> None:
        """First what a test waits for, then the rest."""
        whole_until_now = self._recording.fault is None
        self._recording.append(data)
        if whole_until_now and self._recording.fault is not None:
            log.error("Console log is not whole", why=str(self._recording.fault))
        if self._server:
            self._server.show(data)
        self._write_text(self._escaper.feed(data))

    def _write_text(self, text: str) -> None:
        for line in self._lines.feed(text):
            log.debug("Received", line=line)
        data = memoryview(text.encode())
        try:
            while data and self._text_fault is None:
                data = data[self._text_log.write(data) :]
        except OSError as error:
            self._text_fault = error

    # What is typed

    def _type_in(self, data: bytes, *, shown: str | None = None) -> None:
        self._check_open()
        log.debug("Sent", text=shown or escape(data[:_LINE_LIMIT]), octets=len(data))
        deadline = Deadline.after(self._send_timeout, clock=self._clock)
        with self._send_lock:
            rest = memoryview(data)
            while rest:
                try:
                    rest = rest[self._connection.send(rest) :]
                except BlockingIOError:
                    self._wait_for_room(deadline, len(rest))
                except OSError as error:
                    self._check_end()
                    raise self._ended("what was typed to be taken") from error

    def _wait_for_room(self, deadline: Deadline, octets: int) -> None:
        if deadline.passed:
            raise ConsoleTimeoutError(
                awaited=f"room for {octets} bytes that were typed",
                seconds=deadline.seconds,
                seen=self._seen(),
            )
        writable = select.poll()
        writable.register(self._connection, select.POLLOUT)
        if not writable.poll(max(1, round(min(INTERVAL, deadline.host_remaining) * 1000))):
            self._watch()

    def _check_open(self) -> None:
        if self._closed:
            raise ConsoleClosedError

    def _check_end(self) -> None:
        """The far end is gone: raise why, if it was not to be."""
        if not self._closed and (error := self._on_lost()):
            raise error

    def _ended(self, awaited: str) -> AlpyError:
        if self._closed:
            return ConsoleClosedError()
        return ConsoleLostError(awaited=awaited, seen=self._seen())

    def _seen(self) -> str:
        return _text(self._spawn.before)


def _text(data: object) -> str:
    return data.decode("utf-8", "backslashreplace") if isinstance(data, bytes) else ""
