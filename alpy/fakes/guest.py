# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of the fake machine: a virtual CPU that plays the script."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, TypeAlias

from attrs import define, field, frozen

from alpy.core.ports import Event
from alpy.fakes.clock import FakeClock, Happening
from alpy.fakes.script import Script, Step, as_typed


@frozen
class SavedGuest:
    """What a paused guest knows, for others to go on from."""

    steps: tuple[Step, ...] | None
    unread: bytes


Listener: TypeAlias = Callable[[Event], None]


@define
class FakeGuest:
    """The appliance. It does nothing while its CPU stands still; what was due comes later."""

    _clock: FakeClock
    script: Script
    power_down_after: float | None = field(default=1.0, init=False)
    """Seconds from the power button to the end of its shutdown; None: it does not listen."""
    runs: bool = field(default=False, init=False)
    has_shut_down: bool = field(default=False, init=False)
    printed: bytes = field(default=b"", init=False)
    """All that it ever printed on its serial port."""
    typed: bytes = field(default=b"", init=False)
    """All that was ever typed there."""
    on_print: Callable[[bytes], None] = field(default=lambda _data: None, init=False)
    on_event: Listener = field(default=lambda _event: None, init=False)
    on_death: Callable[[int], None] = field(default=lambda _signal: None, init=False)
    _unread: bytes = field(default=b"", init=False)
    _steps: deque[Step] | None = field(default=None, init=False)
    _held: list[Happening] = field(factory=list, init=False)
    _boots: int = field(default=0, init=False)

    @property
    def has_begun(self) -> bool:
        """Whether its first instruction was run, in this boot."""
        return self._steps is not None

    def start(self) -> None:
        """Let the CPU run. Its first run begins the script."""
        if self.runs or self.has_shut_down:
            return
        self.runs = True
        self._tell("RESUME")
        if self._steps is None:
            self._boot()
        held, self._held = self._held, []
        for happening in held:
            happening()
        self._play()

    def power_up(self) -> None:
        """Be as before the first instruction."""
        self._boots += 1
        self._held.clear()
        self.runs, self.has_shut_down = False, False
        self._steps, self._unread = None, b""

    def saved(self) -> SavedGuest:
        """What it knows now; what it was just waiting for is not in it."""
        steps = None if self._steps is None else tuple(map(copy, self._steps))
        return SavedGuest(steps, self._unread)

    def restore(self, saved: SavedGuest) -> None:
        """Be as that guest was."""
        self._steps = None if saved.steps is None else deque(map(copy, saved.steps))
        self._unread = saved.unread

    def pause(self) -> None:
        if self.runs:
            self.runs = False
            self._tell("STOP")

    def reset(self) -> None:
        """Begin the script again; what the last boot had planned happens no more."""
        self._boots += 1
        self._held.clear()
        self._unread = b""
        self._steps = None
        self._tell("RESET", guest=False, reason="host-qmp-system-reset")
        if self.runs:
            self._boot()
            self._play()

    def press_power_button(self) -> None:
        self._tell("POWERDOWN")
        if self.power_down_after is not None:
            self.after(self.power_down_after, self.shut_down)

    def type(self, data: bytes) -> None:
        """Type on its serial port; it is read when the script gets there."""
        self.typed += data
        self._unread += as_typed(data)
        self._play()

    def put(self, data: bytes) -> None:
        """Print on its serial port now."""
        self.printed += data
        self.on_print(data)

    def after(self, seconds: float, happening: Happening) -> None:
        """Let *happening* happen *seconds* later, if the CPU runs then, and in this boot."""
        boot = self._boots
        self._clock.after(seconds, lambda: self._happen(boot, happening))

    def take_typed(self, text: bytes) -> bool:
        _, found, rest = self._unread.partition(text)
        if found:
            self._unread = rest
        return bool(found)

    def take_line(self) -> str | None:
        line, end, rest = self._unread.partition(b"\n")
        if not end:
            return None
        self._unread = rest
        return line.decode("utf-8", "backslashreplace")

    def shut_down(self) -> None:
        """Shut itself down, as an appliance does at the power button or by a command."""
        if not self.has_shut_down:
            self.runs, self.has_shut_down = False, True
            self._tell("SHUTDOWN", guest=True, reason="guest-shutdown")

    def die(self, signal: int) -> None:
        self.on_death(signal)

    def halt(self) -> None:
        """The hypervisor is gone; nothing happens in here any more."""
        self.runs = False
        self._boots += 1
        self._steps = deque()

    def _boot(self) -> None:
        self._steps = deque(make() for make in self.script.steps)

    def _play(self) -> None:
        while self.runs and self._steps and self._steps[0](self):
            if self._steps:
                self._steps.popleft()

    def _happen(self, boot: int, happening: Happening) -> None:
        if boot != self._boots:
            return
        if not self.runs:
            self._held.append(lambda: self._happen(boot, happening))
            return
        happening()
        self._play()

    def _tell(self, name: str, **data: Any) -> None:
        facts: Mapping[str, Any] = data
        self.on_event(Event(name=name, data=facts))
