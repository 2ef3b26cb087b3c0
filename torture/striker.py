# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a life in this very process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import docker

from torture.checker import Run, run_in
from torture.notes import Blow
from torture.parts import ask_docker, containers_of, guard_of, kill, qemu_of

_LOOK: Final = 0.005


def _interrupt(_run: Run) -> bool:
    # As from a terminal: to the process, whose main thread gets it.
    os.kill(os.getpid(), signal.SIGINT)
    return True


def _process(find: Callable[[Run, int], int | None], number: signal.Signals, run: Run) -> bool:
    pid = find(run, os.getpid())
    if pid:
        kill(pid, number)
    return bool(pid)


def _containers(role: str, run: Run) -> bool:
    found = containers_of(run, role, "running")
    for each in found:
        ask_docker(partial(_kill_container, each))
    return bool(found)


def _kill_container(container: str, api: Any) -> None:
    api.kill(container)


# Whether it could be done to that run; else it is tried again.
BLOWS: Final[Mapping[str, Callable[[Run], bool]]] = {
    "SIGINT": _interrupt,
    "guard-SIGKILL": partial(_process, guard_of, signal.SIGKILL),
    "qemu-SIGKILL": partial(_process, qemu_of, signal.SIGKILL),
    "qemu-SIGSTOP": partial(_process, qemu_of, signal.SIGSTOP),
    "node-killed": partial(_containers, "node"),
    "app-killed": partial(_containers, "app"),
}


class Striker:
    """A thread that does something to the run in *directory*, *seconds* from now."""

    def __init__(self, name: str, directory: Path, seconds: float) -> None:
        self.blow: Blow | None = None
        self._try = BLOWS[name]
        self._directory, self._seconds = directory, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._strike, name="striker", daemon=True)
        self._thread.start()

    def _strike(self) -> None:
        self._over.wait(self._seconds)
        while not self._over.is_set():
            run, since = run_in(self._directory), time.monotonic()
            # What it is aimed at may go meanwhile.
            with suppress(docker.errors.APIError):
                if run and self._try(run):
                    self.blow = Blow(since=since, until=time.monotonic())
                    return
            self._over.wait(_LOOK)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
