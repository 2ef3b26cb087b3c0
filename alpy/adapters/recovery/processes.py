# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that carry their run's id in their environment, as QEMU does."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import evolve

from alpy.adapters.host_error import host_error
from alpy.adapters.recovery.owner import Owner, start_of, this_process
from alpy.adapters.recovery.traces import Trace
from alpy.core.errors import HostError
from alpy.core.waiting import Deadline

RUN_VARIABLE: Final = "ALPY_RUN"
# A process that was killed is gone in milliseconds, if it does not hang in the kernel.
_END_SECONDS: Final = 5.0
_LEAST_SECONDS: Final = 0.1


class RunProcesses:
    """A Place: the processes of this user, found in /proc."""

    def find(self) -> Sequence[Trace]:
        return _processes()

    def find_of(self, run: str) -> Sequence[Trace]:
        return [trace for trace in _processes() if trace.run == run]

    def remove(self, trace: Trace, within: Deadline, /) -> None:
        pid, start = map(int, trace.handle.split())
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        except OSError as error:
            raise _refusal(trace, os.strerror(error.errno or 0)) from error
        try:
            # The descriptor stands for one process now: is it the one that was found?
            if start_of(pid) == start and _run_of(pid) == trace.run:
                _kill(descriptor, trace, min(_END_SECONDS, within.host_remaining))
        finally:
            os.close(descriptor)


def _kill(descriptor: int, trace: Trace, seconds: float) -> None:
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return
    except OSError as error:
        raise _refusal(trace, os.strerror(error.errno or 0)) from error
    end = select.poll()
    end.register(descriptor, select.POLLIN)
    if not end.poll(max(seconds, _LEAST_SECONDS) * 1000):
        raise _refusal(trace, f"it is still there after {seconds:g} s")


def _processes() -> list[Trace]:
    try:
        with os.scandir("/proc") as entries:
            return [trace for entry in entries for trace in _traces_in(entry, os.geteuid())]
    except OSError as error:
        raise host_error(
            "look at the processes", error, remedy="alpy needs /proc: see 'mount'"
        ) from error


def _traces_in(entry: os.DirEntry[str], ours: int) -> list[Trace]:
    with suppress(OSError, ValueError):  # it ended meanwhile, or is no process
        if entry.name.isdecimal() and entry.stat().st_uid == ours:
            return list(_trace(int(entry.name)))
    return []


def _trace(pid: int) -> Iterator[Trace]:
    run = _run_of(pid)
    if run and (start := start_of(pid)) is not None and pid != os.getpid():
        name = Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
        yield Trace(
            run=run,
            what=f"process {pid} ({name})",
            maker="machine",
            handle=f"{pid} {start}",
            owner=_owner(pid, run),
        )


def _run_of(pid: int) -> str:
    try:
        # Every process of this user is looked at: a Path would cost more than all the rest.
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123
            variables = file.readall()
    except OSError:
        return ""
    head = f"{RUN_VARIABLE}=".encode()
    if head not in variables:
        return ""
    values = (each.removeprefix(head) for each in variables.split(b"\0") if each.startswith(head))
    return next(values, b"").decode(errors="replace")


def _owner(pid: int, run: str) -> Owner | None:
    """The run as its hypervisor shows it: the parent, and the folder that its output goes to.

    An orphan's parent is some other process, which lives: then only a free lock makes it dead.
    """
    parent = _parent_of(pid)
    started = start_of(parent)
    if started is None:
        return None
    return evolve(this_process(run, _folder_of_output(pid)), pid=parent, start=started)


def _parent_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    return int(status.partition("\nPPid:")[2].split()[0])


def _folder_of_output(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/fd/1").readlink().parent
    except OSError:
        return None


def _refusal(trace: Trace, found: str) -> HostError:
    return HostError(asked=f"kill {trace.what}", found=found, remedy="Look at it with ps")
