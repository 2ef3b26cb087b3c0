# SPDX-License-Identifier: GPL-3.0-or-later
"""A QMP monitor that answers from memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field

from alpy.core.errors import (
    EventTimeoutError,
    MonitorError,
    MonitorTimeoutError,
    RunDirectoryError,
)
from alpy.core.ports import Event
from alpy.core.watch import Watch, unwatched
from alpy.fakes.ledger import Ledger

if TYPE_CHECKING:
    from alpy.fakes.machine import FakeMachine

Answer: TypeAlias = Callable[[Mapping[str, Any]], Any]

_THING = "monitor"


@define(eq=False)
class FakeMonitor:
    """The remote control of a FakeMachine. `answer`, `hang_on` and `report` are the levers."""

    _ledger: Ledger
    _machine: FakeMachine
    commands: list[tuple[str, Mapping[str, Any]]] = field(factory=list, init=False)
    """Every command that reached the hypervisor, by its QMP name, with its arguments."""
    _answers: dict[str, Answer] = field(factory=dict, init=False)
    _hangs: set[str] = field(factory=set, init=False)
    _unread: list[Event] = field(factory=list, init=False)
    _seen: list[Event] = field(factory=list, init=False)
    _open: bool = field(default=False, init=False)
    _command_timeout: float = field(default=10.0, init=False)
    _watch: Watch = field(default=unwatched, init=False)

    def answer(self, command: str, answer: Any) -> None:
        """Plan what *command* returns: a value, or what a function of its arguments returns."""
        self._answers[command] = answer if callable(answer) else lambda _arguments: answer

    def refuse(self, command: str, why: str) -> None:
        """Plan that the hypervisor refuses *command*."""

        def refuse(_arguments: Mapping[str, Any]) -> Any:
            raise MonitorError(command=command, answer=why)

        self._answers[command] = refuse

    def hang_on(self, command: str) -> None:
        """Plan that *command* gets no answer."""
        self._hangs.add(command)

    def report(self, event: Event) -> None:
        """Let the hypervisor report *event* now."""
        self._unread.append(event)
        self._seen.append(event)

    @property
    def has_seen_shut_down(self) -> bool:
        return any(event.name == "SHUTDOWN" and event.data.get("guest") for event in self._seen)

    def open(self, command_timeout: float, watch: Watch) -> None:
        """Greet. The machine calls this."""
        self._open = True
        self._watch = watch
        self._command_timeout = command_timeout
        self._ledger.came(_THING)

    def start(self) -> None:
        self._run("start", "cont")

    def pause(self) -> None:
        self._run("pause", "stop")

    def reset(self) -> None:
        self._run("reset", "system_reset")

    def press_power_button(self) -> None:
        self._run("press_power_button", "system_powerdown")

    def quit(self) -> None:
        self._run("quit", "quit")

    def shut_down_seen(self) -> bool:
        with self._ledger.call("monitor.shut_down_seen"):
            return self.has_seen_shut_down

    def execute(
        self,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        return self._run("execute", command, arguments, timeout=timeout)

    def wait_for_event(self, name: str, *, timeout: float) -> Event:
        def too_late() -> EventTimeoutError:
            seen = [event.name for event in self._seen]
            return EventTimeoutError(event=name, seconds=timeout, seen=seen)

        with self._ledger.call("monitor.wait_for_event", too_late):
            machine, clock = self._machine, self._ledger.clock
            clock.wait(
                lambda: self._has_unread(name) or machine.has_ended,
                timeout=timeout,
                watch=self._watch,
            )
            for event in self._unread:
                if event.name == name:
                    self._unread.remove(event)
                    return event
            self._check_usable("wait for " + name)
            raise too_late()

    def close(self) -> None:
        with self._ledger.call("monitor.close", _transcript_failed, in_any_case=self.let_go):
            self.let_go()

    def let_go(self) -> None:
        """Be closed. The machine calls this when it is killed."""
        self._open = False
        self._ledger.went(_THING)

    def _run(
        self,
        method: str,
        command: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        timeout: float | None = None,
    ) -> Any:
        def refused() -> MonitorError:
            return MonitorError(command=command, answer="refused, as planned")

        with self._ledger.call(f"monitor.{method}", refused):
            if command == "quit" and self._machine.has_ended:
                return self._machine.check_alive()  # gone already: success, if it did not crash
            self._check_usable(command)
            if command == "quit":
                self._machine.end_is_wanted()
            self.commands.append((command, dict(arguments or {})))
            if command in self._hangs or self._machine.is_stopped:
                self._hang(command, self._command_timeout if timeout is None else timeout)
            result = self._find_answer(command)(dict(arguments or {}))
            self._machine.check_alive()
            return result

    def _check_usable(self, command: str) -> None:
        self._machine.check_alive()
        if not self._open or self._machine.has_ended:
            raise MonitorError(command=command, answer="the monitor is closed")

    def _hang(self, command: str, seconds: float) -> None:
        self._ledger.clock.wait(lambda: self._machine.has_ended, timeout=seconds, watch=self._watch)
        self._machine.check_alive()
        raise MonitorTimeoutError(command=command, seconds=seconds)

    def _has_unread(self, name: str) -> bool:
        return any(event.name == name for event in self._unread)

    def _find_answer(self, command: str) -> Answer:
        guest = self._machine.guest
        own: dict[str, Answer] = {
            "cont": _acting(guest.start),
            "stop": _acting(guest.pause),
            "system_reset": _acting(guest.reset),
            "system_powerdown": _acting(guest.press_power_button),
            "quit": _acting(self._machine.end_as_asked),
            "query-status": lambda _: {"running": guest.runs, "status": self._status_word()},
        }
        answer = self._answers.get(command) or own.get(command)
        if answer is None:
            raise MonitorError(command=command, answer=f"The command {command} has not been found")
        return answer

    def _status_word(self) -> str:
        guest = self._machine.guest
        if guest.has_shut_down:
            return "shutdown"
        if guest.runs:
            return "running"
        return "paused" if guest.has_begun else "prelaunch"


def _transcript_failed() -> RunDirectoryError:
    return RunDirectoryError(
        asked="qmp.log", found="no space left, as planned", remedy="Plan no such fault."
    )


def _acting(act: Callable[[], None]) -> Answer:
    def answer(_arguments: Mapping[str, Any]) -> dict[str, Any]:
        act()
        return {}

    return answer
