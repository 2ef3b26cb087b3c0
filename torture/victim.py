# SPDX-License-Identifier: GPL-3.0-or-later
"""A life as a child process, and what is known of it from outside."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import docker
from attrs import define, field, frozen

from torture.checker import Run, run_in
from torture.notes import Blow, notes_in
from torture.parts import ask_docker, containers_of, guard_of, qemu_of

_LOOK: Final = 0.005
_T = TypeVar("_T")


@frozen(kw_only=True)
class Moment:
    """When a fault strikes: *seconds* after the start, after a line of debug.log, or after the
    test has begun to linger somewhere."""

    seconds: float
    line: int = 0
    linger: str = ""

    def __str__(self) -> str:
        if self.line:
            return f"line {self.line} + {self.seconds * 1e3:.0f} ms"
        place = f"the test's begin, stuck in {self.linger}, + " if self.linger else ""
        return f"{place}{self.seconds:.2f} s"


@define(eq=False)
class Victim:
    process: subprocess.Popen[bytes]
    run_dir: Path | None
    """None if it chooses one itself."""
    output: Path
    docker_host: str | None = None
    struck_at: str = field(default="", init=False)
    """The last line of its log when a fault struck; empty if none has."""
    blow: Blow | None = field(default=None, init=False)
    """The first one that fell on it."""
    lived_on: float = field(default=0.0, init=False)
    """For how many seconds it went on after a fault struck."""
    seconds: float = field(default=0.0, init=False)
    """How long it took, once it was waited for."""
    _begun: float = field(factory=time.monotonic, init=False)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def run(self) -> Run | None:
        return run_in(self.run_dir) if self.run_dir else None

    def runs(self) -> list[Run]:
        """Its run, and that in which it makes a saved state."""
        folders = [self.run_dir, self.run_dir / "preparation"] if self.run_dir else []
        return [run for run in map(run_in, folders) if run]

    def log(self) -> list[str]:
        if self.run_dir is None:
            return []
        try:
            return (self.run_dir / "debug.log").read_text(errors="replace").splitlines()
        except OSError:
            return []

    def wait_until(self, moment: Moment) -> None:
        """Wait until *moment*, or its end."""
        if moment.line:
            self.once(lambda: len(self.log()) >= moment.line)
            self.pause(moment.seconds)
        elif moment.linger:
            self.once(lambda: any(each.event == "begins" for each in notes_in(self.output)))
            self.pause(moment.seconds)
        else:
            self.pause(moment.seconds - (time.monotonic() - self._begun))

    def pause(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(max(seconds, 0))

    def once(self, look: Callable[[], _T | None]) -> _T | None:
        """What *look* finds as soon as it finds something; None if the life ended before."""
        while self.alive:
            if found := look():
                return found
            time.sleep(_LOOK)
        return None

    def strike(self, blow: Callable[[], object]) -> None:
        """Let *blow* fall, if it is alive still, and note where it was."""
        if self.alive:
            place, since = (self.log() or ["before its log"])[-1], time.monotonic()
            # What it was aimed at may have gone meanwhile.
            with suppress(ProcessLookupError, docker.errors.APIError):
                blow()
                self.struck_at = place
                self.blow = self.blow or Blow(since=since, until=time.monotonic())

    def send(self, number: signal.Signals) -> None:
        self.strike(lambda: self.process.send_signal(number))

    def guard(self) -> int | None:
        """Its guard's process id."""
        return next(iter(self.guards()), None)

    def guards(self) -> list[int]:
        """The process ids of the guards of all its runs."""
        return [pid for run in self.runs() if (pid := guard_of(run, self.process.pid))]

    def qemu(self) -> int | None:
        """QEMU's process id."""
        found = (qemu_of(run, self.process.pid) for run in self.runs())
        return next(filter(None, found), None)

    def containers(self, role: str, state: str) -> list[str]:
        """The ids of its containers that play *role* and are in *state*, as "running"."""
        return [
            container
            for run in self.runs()
            for container in containers_of(run, role, state, self.docker_host)
        ]

    def docker(self, call: Callable[[Any], object]) -> None:
        """Let *call* have Docker's API."""
        ask_docker(call, self.docker_host)

    def wait(self, seconds: float) -> bool:
        """Whether it ended by itself within *seconds*; if not, it says where, and is killed."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGUSR1)
            self.pause(1)
            self.close()
            return False
        finally:
            self.seconds = self.seconds or time.monotonic() - self._begun
            if self.blow:
                self.lived_on = time.monotonic() - self.blow.since
        return True

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)
