# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor, on the package `qmp`."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import qmp

from alpy.adapters.holdings import Holdings
from alpy.adapters.qmp.events import EventBox
from alpy.adapters.qmp.transcript import QmpTranscript
from alpy.adapters.qmp.transport import QmpTransport
from alpy.core.errors import (
    AlpyError,
    EventTimeoutError,
    InvalidValueError,
    MonitorError,
    MonitorTimeoutError,
)
from alpy.core.narrative import get_logger
from alpy.core.ports import Clock, Event
from alpy.core.waiting import Deadline
from alpy.core.watch import INTERVAL, Watch, unwatched

_log = get_logger("alpy.monitor")


class _Protocol(qmp.QEMUMonitorProtocol):  # type: ignore[misc]  # the package has no types
    """`qmp` over a transport of ours. It has no other place to give it a socket that is open."""

    def __init__(self, transport: QmpTransport) -> None:
        self._transport = transport
        super().__init__(address=None)

    def _QEMUMonitorProtocol__get_sock(self) -> QmpTransport:  # noqa: N802  the name it is called by
        return self._transport


class QmpMonitor:
    """A Monitor port on an open *connection*, for any number of threads.

    *on_lost* makes the error for a peer that hung up though nobody asked it to. *watch* is called
    several times a second while an answer or an event is awaited.
    """

    def __init__(
        self,
        *,
        connection: socket.socket,
        transcript: Path,
        clock: Clock,
        command_timeout: float,
        on_lost: Callable[[], AlpyError],
        watch: Watch = unwatched,
        holdings: Holdings | None = None,
    ) -> None:
        self._clock = clock
        self._command_timeout = command_timeout
        self._on_lost = on_lost
        self._watch = watch
        self._events = EventBox()
        self._transcript = QmpTranscript(transcript)
        self._transport = QmpTransport(
            connection=connection,
            transcript=self._transcript,
            on_event=self._events.put,
            on_end=self._events.end,
            watch=watch,
            holdings=holdings,
        )
        self._protocol = _Protocol(self._transport)
        self._turn = threading.Lock()
        # `qmp` sends no id that is 0.
        self._numbers = count(1)
        self._closed = False
        self.quit_asked = False

    def connect(self, *, timeout: float) -> None:
        """Wait for the greeting and agree on capabilities.

        Raises:
            MonitorTimeoutError: it did not come within *timeout* seconds.
            MonitorError: what came was no greeting.
            AlpyError: *on_lost*'s, when the peer hung up first.
        """
        deadline = Deadline.after(timeout, clock=self._clock)
        self._transport.start()
        with self._translated("(greeting)", deadline):
            self._transport.expect_answer(None, deadline)
            try:
                greeting = self._protocol.connect()
            except qmp.QMPError as error:
                if self._transport.ended:
                    raise self._on_lost() from error
                raise MonitorError(command="(greeting)", answer="no QMP greeting came") from error
        _log.debug("greeting", version=greeting["QMP"].get("version"))

    def start(self) -> None:
        self.execute("cont")

    def pause(self) -> None:
        self.execute("stop")

    def reset(self) -> None:
        self.execute("system_reset")

    def press_power_button(self) -> None:
        self.execute("system_powerdown")

    def quit(self) -> None:
        if self._transport.ended and (self.quit_asked or self.shut_down_seen()):
            return
        if self._transport.ended:
            raise self._lost("quit")
        self.quit_asked = True
        # No answer is one here: it ended first.
        self._ask("quit", {}, timeout=self._command_timeout)

    def shut_down_seen(self) -> bool:
        return self._events.shut_down_seen

    def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        limit = self._command_timeout if timeout is None else timeout
        answer = self._ask(command, dict(arguments or {}), timeout=limit)
        if answer is None:
            raise self._lost(command)
        return answer.get("return")

    def wait_for_event(self, name: str, *, timeout: float) -> Event:
        deadline = Deadline.after(timeout, clock=self._clock)
        while not (event := self._take_event(name, deadline)):
            if self._transport.ended:
                raise self._lost(f"(event {name})")
            if deadline.passed:
                raise EventTimeoutError(event=name, seconds=timeout, seen=self._events.seen)
            self._watch()
        return event

    def _take_event(self, name: str, deadline: Deadline) -> Event | None:
        return self._events.take(name, timeout=min(INTERVAL, deadline.host_remaining))

    def hand_over(self, descriptor: int, *, name: str) -> None:
        """Give the hypervisor *descriptor*; it knows it by *name* in the commands that follow."""
        words = {"fdname": name}
        if self._ask("getfd", words, timeout=self._command_timeout, attached=descriptor) is None:
            raise self._lost("getfd")

    def wait_for_end(self) -> None:
        """Read what a hypervisor that has ended still reported."""
        self._transport.wait_for_end()

    def close(self) -> None:
        self._closed = True
        self._transport.close()
        self._transcript.close()

    def _ask(
        self,
        command: str,
        arguments: dict[str, Any],
        *,
        timeout: float,
        attached: int | None = None,
    ) -> dict[str, Any] | None:
        """The answer, or None if the peer hung up instead."""
        _check_sendable(command, arguments)
        if self._closed:
            raise self._lost(command)
        _log.debug("command", command=command, arguments=arguments)
        deadline = Deadline.after(timeout, clock=self._clock)
        with self._translated(command, deadline):
            number = next(self._numbers)
            self._transport.expect_answer(number, deadline, attached=attached)
            answer = self._protocol.cmd(command, arguments, number)
        return None if answer is None else _checked(command, answer)

    @contextmanager
    def _translated(self, command: str, deadline: Deadline) -> Iterator[None]:
        """One talk at a time, and `qmp`'s errors as ours."""
        seconds = deadline.seconds
        if not self._turn.acquire(timeout=deadline.host_remaining):
            raise MonitorTimeoutError(command=command, seconds=seconds)
        try:
            yield
        except AlpyError:
            raise
        except TimeoutError as error:
            raise MonitorTimeoutError(command=command, seconds=seconds) from error
        except (OSError, ValueError, TypeError, RecursionError) as error:
            raise MonitorError(command=command, answer=f"no QMP: {error}") from error
        finally:
            self._turn.release()

    def _lost(self, command: str) -> AlpyError:
        if self._closed:
            return MonitorError(command=command, answer="the monitor is closed")
        return self._on_lost()


def _check_sendable(command: str, arguments: dict[str, Any]) -> None:
    try:
        json.dumps(arguments)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"arguments of QMP command {command!r}: {error}") from error


def _checked(command: str, answer: Any) -> dict[str, Any]:
    if isinstance(answer, dict) and "return" in answer:
        return answer
    if isinstance(answer, dict) and isinstance(answer.get("error"), dict):
        raise MonitorError(command=command, answer=str(answer["error"].get("desc")))
    raise MonitorError(command=command, answer=f"no QMP: {str(answer)[:200]}")
