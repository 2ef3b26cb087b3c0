# SPDX-License-Identifier: GPL-3.0-or-later
"""A serial port on a scripted appliance, with a pexpect object on it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import define, field
from pexpect import EOF, TIMEOUT
from pexpect.spawnbase import SpawnBase

from alpy.core.errors import (
    AlpyError,
    ConsoleClosedError,
    ConsoleLostError,
    ConsoleTimeoutError,
    MachineDiedError,
    RunDirectoryError,
)
from alpy.core.ports import ConsoleMatch
from alpy.core.watch import Watch, unwatched
from alpy.fakes.clock import FakeClock
from alpy.fakes.ledger import Ledger

if TYPE_CHECKING:
    from alpy.fakes.machine import FakeMachine

    _Spawn = SpawnBase[bytes]
else:
    _Spawn = SpawnBase  # generic in the stubs only

_THING = "console"
# "Without a deadline" in fake time: longer than any script.
_FOR_EVER = 1e9
_NO_LIMIT = 1 << 30


class ScriptedSpawn(_Spawn):
    """The pexpect object: it reads what the appliance printed, on the fake clock."""

    def __init__(self, ledger: Ledger, machine: FakeMachine) -> None:
        super().__init__()
        self.delayafterread = None  # no real time passes here
        self.maxread = _NO_LIMIT
        self.name = "<fake console>"
        self.closed = False
        self.is_lost = False
        self._ledger, self._machine = ledger, machine
        self._position = 0
        self._end = _FOR_EVER
        self.watch: Watch = unwatched

    def isalive(self) -> bool:
        return not self.closed and not self._machine.has_ended

    def close(self) -> None:
        self.closed = True

    def send(self, data: str | bytes) -> int:
        typed = _bytes(data)
        self._log(typed, "send")  # type: ignore[attr-defined]  # private, and not in the stubs
        self._machine.guest.type(typed)
        return len(typed)

    def sendline(self, data: str | bytes = b"") -> int:
        return self.send(_bytes(data) + b"\n")

    def write(self, data: str | bytes) -> None:
        self.send(data)

    def writelines(self, lines: Sequence[str | bytes]) -> None:
        for line in lines:
            self.send(line)

    def expect_list(
        self, pattern_list: Any, timeout: float | None = -1, *args: Any, **kwargs: Any
    ) -> Any:
        with self._until(timeout):
            return super().expect_list(pattern_list, None, *args, **kwargs)

    def expect_exact(
        self, pattern_list: Any, timeout: float | None = -1, *args: Any, **kwargs: Any
    ) -> Any:
        with self._until(timeout):
            return super().expect_exact(pattern_list, None, *args, **kwargs)

    def read_nonblocking(self, size: int = 1, timeout: float | None = -1) -> bytes:
        clock = self._ledger.clock
        seconds = self._end - clock.now() if timeout is None else self._seconds(timeout)
        clock.wait(
            lambda: self._has_news,
            timeout=min(seconds, self._end - clock.now()),
            watch=self.watch,
        )
        if not self._has_news:
            raise TIMEOUT("Timeout exceeded.")
        data = self._machine.guest.printed[self._position :][:size]
        if not data:
            self.flag_eof = True
            self._machine.check_alive()
            raise EOF("End Of File (EOF).")
        self._position += len(data)
        self._log(data, "read")  # type: ignore[attr-defined]
        return data

    @property
    def _has_news(self) -> bool:
        guest = self._machine.guest
        is_over = self.closed or self.is_lost or self._machine.has_ended
        return is_over or self._position < len(guest.printed)

    @contextmanager
    def _until(self, timeout: float | None) -> Iterator[None]:
        # pexpect would measure the time limit on the real clock, so it is given none.
        self._end = self._ledger.clock.now() + self._seconds(timeout)
        try:
            yield
        finally:
            self._end = _FOR_EVER

    def _seconds(self, timeout: float | None) -> float:
        if timeout == -1:
            timeout = self.timeout
        return _FOR_EVER if timeout is None else max(0.0, timeout)


@define(eq=False)
class FakeConsole:
    """The serial port of a FakeMachine. Its script is given to the World."""

    _ledger: Ledger
    _machine: FakeMachine
    _spawn: ScriptedSpawn = field(init=False)
    _closed: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._spawn = ScriptedSpawn(self._ledger, self._machine)

    @property
    def clock(self) -> FakeClock:
        return self._ledger.clock

    @property
    def spawn(self) -> ScriptedSpawn:
        return self._spawn

    @property
    def typed(self) -> str:
        """All that the test has typed so far."""
        return self._machine.guest.typed.decode("utf-8", "backslashreplace")

    def open(self, watch: Watch) -> None:
        """Listen to the port. The machine calls this."""
        self._spawn, self._closed = ScriptedSpawn(self._ledger, self._machine), False
        self._spawn.watch = watch
        self._ledger.came(_THING)

    def appliance_prints(self, text: str | bytes) -> None:
        """Let the appliance print *text* now, beside its script."""
        self._machine.guest.put(_bytes(text))

    def hang_up(self) -> None:
        """Let the connection be reset now, though the machine goes on."""
        self._spawn.is_lost = True

    def send(self, text: str | bytes, *, secret: bool = False) -> None:  # noqa: ARG002  no log
        lost = partial(self._lost, "a chance to type")
        with self._ledger.call("console.send", lost):
            self._check_open()
            if self._machine.has_ended or self._spawn.is_lost:
                raise lost()
            self._spawn.send(text)

    def expect(self, patterns: str | Sequence[str], *, timeout: float) -> ConsoleMatch:
        wanted = [patterns] if isinstance(patterns, str) else list(patterns)
        awaited = " or ".join(map(repr, wanted))
        with self._ledger.call("console.expect", partial(self._too_late, awaited, timeout)):
            self._check_open()
            return self._expect(wanted, awaited, timeout)

    def close(self) -> None:
        with self._ledger.call("console.close", _log_failed, in_any_case=self.let_go):
            self.let_go()

    def let_go(self) -> None:
        """Be closed. The machine calls this when it is killed."""
        self._closed = True
        self._spawn.close()
        self._ledger.went(_THING)

    def _expect(self, wanted: list[str], awaited: str, timeout: float) -> ConsoleMatch:
        compiled: list[Any] = [re.compile(pattern.encode(), re.DOTALL) for pattern in wanted]
        try:
            index = self._spawn.expect(compiled, timeout=timeout)
        except TIMEOUT as error:
            raise self._too_late(awaited, timeout) from error
        except EOF as error:
            raise self._lost(awaited) from error
        return ConsoleMatch(
            index=index, before=_text(self._spawn.before), matched=_text(self._spawn.after)
        )

    def _check_open(self) -> None:
        if self._closed:
            raise ConsoleClosedError

    def _too_late(self, awaited: str, seconds: float) -> ConsoleTimeoutError:
        return ConsoleTimeoutError(
            awaited=awaited, seconds=seconds, seen=_text(self._spawn.before or b"")
        )

    def _lost(self, awaited: str) -> AlpyError:
        try:
            self._machine.check_alive()
        except MachineDiedError as died:
            return died
        return ConsoleLostError(awaited=awaited, seen=_text(self._spawn.before or b""))


def _log_failed() -> RunDirectoryError:
    return RunDirectoryError(
        asked="console.log", found="no space left, as planned", remedy="Plan no such fault."
    )


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def _text(data: Any) -> str:
    return bytes(data).decode("utf-8", "backslashreplace")
