# SPDX-License-Identifier: GPL-3.0-or-later
"""What a process holds of its host, by /proc: descriptors, threads, child processes, memory."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from torture.parts import children_of

_SELF: Final = Path("/proc/self")
_NUMBER: Final = re.compile(r"\d+")


@frozen(kw_only=True)
class Footprint:
    """All that this process has now. Each thing is a word or two that say what it is.

    The words are interned, so that who keeps many footprints does not grow by them.
    """

    descriptors: Sequence[str]
    threads: Sequence[str]
    children: Sequence[str]
    resident_kib: int

    @classmethod
    def now(cls) -> Footprint:
        return cls(
            descriptors=tuple(_descriptors()),
            threads=tuple(_names(_SELF / "task")),
            children=tuple(f"process {pid}" for pid in children_of(os.getpid())),
            resident_kib=_resident_kib(),
        )

    def beyond(self, before: Footprint) -> list[str]:
        """What there is more of than *before*, but for memory."""
        return [
            f"{kind} {each}"
            for kind in ("descriptors", "threads", "children")
            for each in (Counter(getattr(self, kind)) - Counter(getattr(before, kind))).elements()
        ]

    def __str__(self) -> str:
        return (
            f"{len(self.descriptors)} descriptors, {len(self.threads)} threads, "
            f"{len(self.children)} children, {self.resident_kib} KiB"
        )


def _descriptors() -> Iterator[str]:
    for path in (_SELF / "fd").iterdir():
        with suppress(OSError):  # the one that lists the folder has gone
            # A socket's number says nothing, and is another one each time.
            yield sys.intern(_NUMBER.sub("N", str(path.readlink())))


def _names(tasks: Path) -> Iterator[str]:
    for path in tasks.iterdir():
        with suppress(OSError):  # it has ended meanwhile
            yield sys.intern((path / "comm").read_text().strip())


def _resident_kib() -> int:
    (line,) = re.findall(r"^VmRSS:\s*(\d+) kB$", (_SELF / "status").read_text(), re.MULTILINE)
    return int(line)
