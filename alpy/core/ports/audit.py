# SPDX-License-Identifier: GPL-3.0-or-later
"""The last look around: is there anything of this run that should be gone?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen


@frozen
class Leftover:
    """A thing of this run that is there after its release, and which part of alpy made it."""

    what: str
    """For people: "container alpy-...", "socket:[4711], open as descriptor 12"."""
    maker: str

    def __str__(self) -> str:
        return f"{self.what} (made by {self.maker})"


class Audit(Protocol):
    """Finds what a run has left, by its own look at the world and not by what releases have said.

    It removes nothing. Only what this run made is found: nothing of other runs, be they in this
    process, and nothing of the program that the run is a part of. What is just going is waited for,
    a moment.
    """

    def of_host(self) -> Sequence[Leftover]:
        """What of the run is on the host: containers, taps, processes, and files that are none of
        the evidence. The guard is not counted.

        Raises:
            HostError: a part of the host can't be looked at.
        """
        ...

    def of_process(self) -> Sequence[Leftover]:
        """What this process still has of the run: open descriptors, and threads.

        It is for the very end, when all that `of_host` asks by is closed too.

        Raises:
            HostError: its descriptors can't be looked at.
        """
        ...
