# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run is alive: by the lock on its debug.log, and by its process."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Final

from attrs import field, frozen

from alpy.adapters.recovery.owner import Owner, boot_id, host_id, pid_namespace, start_of

DEBUG_LOG: Final = "debug.log"
# The first line of a debug.log is a time and these words; no path and no run id is so long.
_FIRST_LINE: Final = 4096


def first_line(run: str) -> str:
    """The words that begin the debug.log of *run*."""
    return f"run {run}"


class Lock(Enum):
    """How the lock on a run's debug.log is."""

    HELD = "held"
    FREE = "free"
    UNKNOWN = "unknown"
    """The file is gone, is another run's by now, or lies where there are no locks."""


class Life(Enum):
    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


@frozen
class Verdict:
    """Whether a run is alive, and how that is known."""

    life: Life
    why: str


@frozen(kw_only=True)
class Here:
    """What this process sees of the machine."""

    boot: str = field(factory=boot_id)
    host: str = field(factory=host_id)
    pidns: str = field(factory=pid_namespace)
    start_of: Callable[[int], int | None] = start_of
    """When the process with this id was started; None if there is none."""


def judge(owner: Owner, lock: Lock, here: Here) -> Verdict:
    """Whether the run of *owner* is alive.

    The lock alone does not tell: a child that the process forked may hold on to it.
    """
    if owner.boot == here.boot and owner.pidns == here.pidns:
        return _by_process(owner, lock, here)
    if lock is Lock.HELD:
        return Verdict(Life.ALIVE, "its debug.log is locked")
    if owner.boot != here.boot and owner.host != here.host:
        # What it wrote lies on a disk that machines share, where a lock may reach only one of them.
        return Verdict(Life.UNKNOWN, "it is of another machine, or this one had another name then")
    if owner.boot != here.boot:
        return Verdict(Life.DEAD, "it began before this host was booted")
    if lock is Lock.FREE:
        return Verdict(Life.DEAD, "its debug.log is not locked any more")
    return Verdict(Life.UNKNOWN, "its process can't be seen from here, nor the lock on its log")


def _by_process(owner: Owner, lock: Lock, here: Here) -> Verdict:
    if here.start_of(owner.pid) != owner.start:
        return Verdict(Life.DEAD, f"its process {owner.pid} is gone")
    if lock is Lock.FREE:
        return Verdict(Life.DEAD, f"it has ended, though its process {owner.pid} runs on")
    return Verdict(Life.ALIVE, f"process {owner.pid} runs it")


def look(owner: Owner, here: Here) -> Verdict:
    """Judge by what the disk and /proc say now."""
    return judge(owner, probe(Path(owner.dir), owner.run) if owner.dir else Lock.UNKNOWN, here)


def probe(directory: Path, run: str) -> Lock:
    """How the lock on the debug.log of *run* in *directory* is. Never raises, never waits."""
    try:
        descriptor = open_log(directory, run, os.O_RDONLY)
    except OSError:
        return Lock.UNKNOWN
    try:
        # Shared, so that two who ask at the same time do not take each other for the holder.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return Lock.HELD
    except OSError:
        return Lock.UNKNOWN
    else:
        return Lock.FREE
    finally:
        os.close(descriptor)


def open_log(directory: Path, run: str, flags: int) -> int:
    """A descriptor of the debug.log of *run*, which *flags* let us read.

    Labels can be written by others: what is not our own plain file, or not this run's, is refused.

    Raises:
        OSError: it is not there, or not this run's.
    """
    with opened_folder(directory) as folder:
        return open_log_in(folder, run, flags)


def open_log_in(folder: int, run: str, flags: int) -> int:
    """As `open_log`, in a *folder* that is open: no other can be put in its place meanwhile."""
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(DEBUG_LOG, flags, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            raise FileNotFoundError(f"{DEBUG_LOG} is no file of ours")
        line = os.pread(descriptor, _FIRST_LINE, 0).partition(b"\n")[0]
        if line.partition(b" ")[2] != first_line(run).encode():
            raise FileNotFoundError(f"{DEBUG_LOG} is of another run")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """A descriptor of the folder *path*.

    Raises:
        OSError: it is none, or not ours to read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
