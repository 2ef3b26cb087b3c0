# SPDX-License-Identifier: GPL-3.0-or-later
"""Locks of the kernel on ranges of a file's positions, of which the file need have none.

They belong to one opening of the file (fcntl(2) calls it an open file description), and so hold off
threads as well as processes, and the kernel frees them with the last process that has it.
"""

from __future__ import annotations

import fcntl
import os
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import define, field

_FLOCK: Final = struct.Struct("hhqqi0q")
_TO_THE_END: Final = 0
# In /proc/PID/fdinfo, of a lock that is held and not waited for; see proc(5).
_HELD: Final = re.compile(r"^lock:\s+\d+: OFDLCK +ADVISORY +WRITE .* (\d+) (\d+)$", re.MULTILINE)


@define(eq=False)
class RangeLocks:
    """One opening of the file at *path*, made by `open`. Every call can raise OSError."""

    path: Path
    _descriptor: int = field(default=-1, init=False)

    def fileno(self) -> int:
        return self._descriptor

    def open(self) -> None:
        """Open the file, and make it if need be."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self.path, flags, 0o600)
        # For those who clear away what is old.
        os.utime(self._descriptor)

    def close(self) -> None:
        """Free all that is held here, also where a child of this process has a copy of it."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            try:
                _call(descriptor, fcntl.F_OFD_SETLK, fcntl.F_UNLCK, 0, _TO_THE_END)
            finally:
                os.close(descriptor)

    def lock(self, places: range) -> bool:
        """Hold all of *places*; False if somebody else holds one of them."""
        try:
            self._set(fcntl.F_WRLCK, places)
        except BlockingIOError:
            return False
        return True

    def unlock(self, places: range) -> None:
        """Hold none of *places* any more."""
        self._set(fcntl.F_UNLCK, places)

    def taken(self, places: range) -> Iterator[range]:
        """What of *places* others hold, in its order: a range for each lock."""
        if not places:
            return
        found = _call(self._descriptor, fcntl.F_OFD_GETLK, fcntl.F_WRLCK, places.start, len(places))
        kind, _whence, start, length, _pid = _FLOCK.unpack(found)
        if kind == fcntl.F_UNLCK:
            return
        # Of several it is any that the kernel tells.
        first, last = max(start, places.start), min(start + length, places.stop)
        yield from self.taken(range(places.start, first))
        yield range(first, last)
        yield from self.taken(range(last, places.stop))

    def free(self, places: range) -> Iterator[range]:
        """What of *places* nobody else holds, in its order."""
        start = places.start
        for taken in self.taken(places):
            if start < taken.start:
                yield range(start, taken.start)
            start = taken.stop
        if start < places.stop:
            yield range(start, places.stop)

    def holders(self) -> Iterator[tuple[int, range]]:
        """Who holds what, us included, by process ids: of this user's processes that we can see."""
        ours = Path("/proc/self/fd", str(self._descriptor)).readlink()
        for folder in Path("/proc").glob("[0-9]*"):
            # Somebody else's process, or one that has just ended.
            with suppress(OSError):
                for link in (folder / "fd").iterdir():
                    if link.readlink() == ours:
                        words = (folder / "fdinfo" / link.name).read_text(encoding="ascii")
                        for first, last in _HELD.findall(words):
                            yield int(folder.name), range(int(first), int(last) + 1)

    def _set(self, kind: int, places: range) -> None:
        _call(self._descriptor, fcntl.F_OFD_SETLK, kind, places.start, len(places))


def _call(descriptor: int, command: int, kind: int, start: int, length: int) -> bytes:
    question = _FLOCK.pack(kind, os.SEEK_SET, start, length, 0)
    answer: bytes = fcntl.fcntl(descriptor, command, question)
    return answer
