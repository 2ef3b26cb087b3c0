# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the host for a virtual machine."""

from __future__ import annotations

from typing import Protocol


class Slots(Protocol):
    """The CPUs and the memory that the runs of one user share; who finds no room waits in a line.

    Nobody overtakes, so that a large machine gets its turn among small ones. One that is larger
    than the host takes all of it, and so runs alone. What a run has taken is free as soon as its
    process has ended, in whatever way; so is its place in the line.
    """

    def take(self, *, cpus: int, memory_mib: int, timeout: float) -> None:
        """Wait in the line for room, and take it. Who waits long is told so in the log.

        Raises:
            NoRoomError: *timeout* seconds passed first. Nothing is taken.
        """
        ...

    def take_free(self, *, cpus: int, memory_mib: int) -> None:
        """Take so much of it as is free now, be it nothing, and wait for nobody.

        For a run within another one, which would wait for itself.
        """
        ...

    def release(self) -> None:
        """Give back what was taken; again does nothing."""
        ...
