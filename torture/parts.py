# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of a run that is alive, found from outside: its guard, its QEMU, its containers."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from torture.checker import Run, connect

_T = TypeVar("_T")


def guard_of(run: Run, parent: int) -> int | None:
    """The process id of the guard of *run*, which lives in the process *parent*."""
    return _child(parent, lambda words, _: run.id in words)


def qemu_of(run: Run, parent: int) -> int | None:
    """The process id of its QEMU, or of what is called so."""
    return _child(
        parent,
        lambda words, variables: (
            f"ALPY_RUN={run.id}" in variables and any("qemu-system" in word for word in words[:2])
        ),
    )


def _child(parent: int, fits: Callable[[Sequence[str], Sequence[str]], bool]) -> int | None:
    for pid in children_of(parent):
        with suppress(OSError):
            words, variables = (
                Path(f"/proc/{pid}/{name}").read_text(errors="replace").split("\0")
                for name in ("cmdline", "environ")
            )
            if fits(words, variables):
                return pid
    return None


def children_of(parent: int) -> list[int]:
    """The ids of its child processes, also of those that have ended and were not collected."""
    found: list[int] = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, task.read_text().split())
    return found


def containers_of(run: Run, role: str, state: str, docker_host: str | None = None) -> list[str]:
    """The ids of its containers that play *role* and are in *state*, as "running"."""
    labels = [f"alpy.run={run.id}", f"alpy.role={role}"]
    found = ask_docker(
        lambda api: api.containers(all=True, filters={"label": labels, "status": state}),
        docker_host,
    )
    return [str(each["Id"]) for each in found]


def ask_docker(call: Callable[[Any], _T], docker_host: str | None = None) -> _T:
    """What *call* makes of Docker's API."""
    client = connect(docker_host)
    try:
        return call(client.api)
    finally:
        client.close()


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
