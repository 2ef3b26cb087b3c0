# SPDX-License-Identifier: GPL-3.0-or-later
"""Clearing up for those who can't any more."""

from __future__ import annotations

from typing import Protocol


class Guard(Protocol):
    """Clears up after runs whose process died: after this one in its turn, and after earlier ones.

    It never touches what is alive, what belongs to another user, or what no run of alpy made.
    """

    def clear_dead_runs(self) -> None:
        """Remove what earlier runs left that are dead; each is told as a warning.

        What can't be removed is left for the next time, and told too.

        Raises:
            DockerError: the daemon can't be asked.
        """
        ...

    def stand_by(self) -> None:
        """From now on, should this process die, all of this run is removed and its record closed.

        Raises:
            HostError: the guard could not be started.
        """
        ...

    def hand_over(self) -> None:
        """Let it remove now all of this run that is still there, and end.

        It waits for that a few seconds; a guard that takes longer goes on by itself. One that does
        not stand by is no error.

        Raises:
            HostError: the guard has died before.
        """
        ...

    def dismiss(self) -> None:
        """The run has ended well: end the guard. Again does nothing, nor when it never stood by.

        A guard that has died meanwhile is told as a warning: this run did not need it.

        Raises:
            HostError: it is still there.
        """
        ...
