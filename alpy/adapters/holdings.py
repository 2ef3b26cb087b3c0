# SPDX-License-Identifier: GPL-3.0-or-later
"""What one run holds in this process, which may hold other runs' and its own things beside."""

from __future__ import annotations

import fcntl
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from typing import Final, Protocol

from attrs import define, field, frozen

from alpy.adapters.proc_stat import process_stat
from alpy.core.ports import Leftover

_DESCRIPTORS: Final = "/proc/self/fd"
# What the kernel puts behind the name of what has none any more, as of a process that has ended.
_NAMELESS: Final = " (deleted)"


class HasDescriptor(Protocol):
    """What knows its own descriptor, and that it has closed it: then it says less than 0."""

    def fileno(self) -> int: ...


@frozen
class _Opened:
    """What a descriptor stands for."""

    name: str
    """As the kernel calls it: "socket:[4711]", or a path."""
    file: tuple[int, int]
    """Device and inode: files without a path may have the same name."""
    way: int
    """For reading, writing, both or neither: who reads a log of ours has not what wrote it."""


@define
class Holdings:
    """Things are noted by whoever makes them, and looked for at the end of *run*.

    A descriptor is known by what the kernel says that it stands for, and not by its number, which
    is somebody else's once it is closed. So a copy of it is found too.
    """

    run: str = ""
    _made: dict[_Opened, str] = field(factory=dict, init=False)
    _holders: list[tuple[HasDescriptor, str]] = field(factory=list, init=False)
    _processes: list[tuple[int, int, str]] = field(factory=list, init=False)

    def note(self, thing: int | HasDescriptor, maker: str) -> None:
        """*maker* has opened what nobody else opens in this way: a socket, a pipe, a new file."""
        descriptor = thing if isinstance(thing, int) else thing.fileno()
        self._made[_opened(descriptor)] = maker

    def socketpair(self, maker: str) -> tuple[socket.socket, socket.socket]:
        """Two sockets of *maker*'s, connected to each other."""
        ends = socket.socketpair()
        for end in ends:
            self.note(end, maker)
        return ends

    def note_holder(self, holder: HasDescriptor, maker: str) -> None:
        """*maker* has made what opens something that others open too, as the device of all taps.

        The *holder* itself is asked then whether it has closed its own.
        """
        self._holders.append((holder, maker))

    def note_process(self, pid: int, maker: str) -> None:
        """*maker* has started a process, which need not be a child of this one."""
        if stat := process_stat(pid):
            self._processes.append((pid, stat.start, maker))

    def thread(self, work: Callable[[], None], maker: str) -> threading.Thread:
        """A thread that is not started yet; it logs to the same run as the caller.

        Its name tells the run, to the audit and to people who look at a stack dump.
        """
        return threading.Thread(
            target=copy_context().run,
            args=(work,),
            name=self.thread_prefix(maker),
            daemon=True,
        )

    def thread_prefix(self, maker: str) -> str:
        """How the names of *maker*'s threads begin."""
        return f"alpy-{maker} {self.run}".rstrip()

    def open_descriptors(self) -> list[Leftover]:
        """Those of the run that are open.

        Raises:
            OSError: they can't be looked at.
        """
        found = dict(_open_descriptors())
        noted = [
            Leftover(f"{opened.name}, open as descriptor {number}", self._made[opened])
            for number, opened in found.items()
            if opened in self._made
        ]
        held = [(holder.fileno(), maker) for holder, maker in self._holders]
        return noted + [
            Leftover(f"{found[number].name}, open as descriptor {number}", maker)
            for number, maker in held
            if number in found
        ]

    def live_threads(self) -> list[Leftover]:
        """Those of the run that have not ended."""
        ours = re.compile(rf"alpy-([\w-]+) {re.escape(self.run)}(_\d+)?")
        names = [ours.fullmatch(thread.name) for thread in threading.enumerate()]
        return [Leftover(f"thread {name[0]!r}", name[1]) for name in names if name]

    def live_processes(self) -> list[Leftover]:
        """Those of the run that live."""
        return [
            Leftover(f"process {pid}", maker)
            for pid, start, maker in self._processes
            if (stat := process_stat(pid)) and stat.lives and stat.start == start
        ]


def _open_descriptors() -> Iterator[tuple[int, _Opened]]:
    for number in map(int, os.listdir(_DESCRIPTORS)):  # noqa: PTH208  no path is wanted
        with suppress(OSError):  # closed meanwhile; the one that lists them surely is
            yield number, _opened(number)


def _opened(descriptor: int) -> _Opened:
    link = Path(_DESCRIPTORS, str(descriptor)).readlink()
    found = os.fstat(descriptor)
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    name = str(link).removesuffix(_NAMELESS)
    return _Opened(name, (found.st_dev, found.st_ino), flags & (os.O_ACCMODE | os.O_PATH))
