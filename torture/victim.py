# SPDX-License-Identifier: GPL-3.0-or-later
"""A life as a child process, and what is known of it from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import docker
from attrs import define, field, frozen

from torture.checker import Run, connect, run_in

_LOOK: Final = 0.002
_T = TypeVar("_T")


@frozen
class Moment:
    """When a fault strikes: at a line of debug.log and *seconds* later, or *seconds* after the
    start."""

    line: int
    seconds: float

    def __str__(self) -> str:
        if self.line:
            return f"line {self.line} + {self.seconds * 1e3:.0f} ms"
        return f"{self.seconds:.2f} s"


@define(eq=False)
class Victim:
    process: subprocess.Popen[bytes]
    run_dir: Path | None
    """None if it chooses one itself."""
    output: Path
    docker_host: str | None = None
    struck_at: str = field(default="", init=False)
    """The last line of its log when a fault struck; empty if none has."""
    lived_on: float = field(default=0.0, init=False)
    """For how many seconds it went on after a fault struck."""
    _struck: float = field(default=0.0, init=False)
    _begun: float = field(factory=time.monotonic, init=False)

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def run(self) -> Run | None:
        return run_in(self.run_dir) if self.run_dir else None

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
            place, now = (self.log() or ["before its log"])[-1], time.monotonic()
            # What it was aimed at may have gone meanwhile.
            with suppress(ProcessLookupError, docker.errors.APIError):
                blow()
                self.struck_at, self._struck = place, now

    def send(self, number: signal.Signals) -> None:
        self.strike(lambda: self.process.send_signal(number))

    def guard(self) -> int | None:
        """Its guard's process id."""
        run = self.run
        return self._child(lambda words, _: run is not None and run.id in words)

    def qemu(self) -> int | None:
        """QEMU's process id."""
        run = self.run
        wanted = f"ALPY_RUN={run.id}" if run else ""
        return self._child(
            lambda words, variables: wanted in variables and "qemu-system" in words[0]
        )

    def _child(self, fits: Callable[[Sequence[str], Sequence[str]], bool]) -> int | None:
        for task in Path(f"/proc/{self.process.pid}/task").glob("*/children"):
            with suppress(OSError):
                for pid in task.read_text().split():
                    words, variables = (
                        Path(f"/proc/{pid}/{name}").read_text(errors="replace").split("\0")
                        for name in ("cmdline", "environ")
                    )
                    if fits(words, variables):
                        return int(pid)
        return None

    def container(self, role: str, state: str) -> str | None:
        """The id of one of its containers that plays *role* and is in *state*, as "running"."""
        if not (run := self.run):
            return None
        labels = [f"alpy.run={run.id}", f"alpy.role={role}"]
        found = self.docker(
            lambda api: api.containers(all=True, filters={"label": labels, "status": state})
        )
        return next((str(each["Id"]) for each in found), None)

    def docker(self, call: Callable[[Any], _T]) -> _T:
        """What *call* makes of Docker's API."""
        client = connect(self.docker_host)
        try:
            return call(client.api)
        finally:
            client.close()

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
            if self._struck:
                self.lived_on = time.monotonic() - self._struck
        return True

    def close(self) -> None:
        self.process.kill()
        self.process.wait(30)


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
