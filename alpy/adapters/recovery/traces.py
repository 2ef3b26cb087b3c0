# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs leave on a host, and where it is looked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from alpy.adapters.recovery.owner import Owner
from alpy.core.waiting import Deadline


@frozen
class AppEnd:
    """How the app of this name ended: its exit status, or "unknown: why"."""

    app: str
    status: str


@frozen(kw_only=True)
class Trace:
    """A thing that a run made. Without an *owner* nobody can tell whether the run is alive."""

    run: str
    what: str
    """What it is, for people: "container alpy-...", "process 4711 (qemu-system-x86)"."""
    maker: str
    """The part of alpy that made it."""
    handle: str
    """What the place that it was found in knows it by."""
    owner: Owner | None = field(default=None, eq=False)
    end: AppEnd | None = field(default=None, eq=False)
    """How the app in it ended, if it is one's."""


class Place(Protocol):
    """One kind of thing that may be left. Only what belongs to our user is found or removed."""

    def find(self) -> Sequence[Trace]:
        """The traces of all runs.

        Raises:
            HostError: it can't be asked.
        """
        ...

    def find_of(self, run: str) -> Sequence[Trace]:
        """The traces of one run, also those that do not tell their owner.

        Raises:
            HostError: it can't be asked.
        """
        ...

    def remove(self, trace: Trace, within: Deadline, /) -> None:
        """Remove it, killing what runs in it. One that is gone is no error.

        Raises:
            HostError: it is still there, now or when the deadline *within* has passed.
        """
        ...
