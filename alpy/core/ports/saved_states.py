# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that were paused and saved, for those that start later."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class SavedStates(Protocol):
    """A cache of saved states, each in a folder of its own; what is in it is the machine's affair.

    A state belongs to an *identity*: all the facts that it depends on, by name. Runs that want the
    same state at once make it once. Every call can raise HostError: the cache can't be read or
    written.
    """

    def find(self, identity: Mapping[str, str], *, timeout: float) -> Path | None:
        """The folder of this state, which nobody removes until `release`; or None.

        None: there is none, or none that is whole, and this run is to make it. Until it does, or
        calls `release`, other runs that look for the state wait.

        Raises:
            SavedStateError: it was ruled out.
            DeadlineError: another run has been making it for *timeout* seconds.
        """
        ...

    def begin(self) -> Path:
        """An empty folder for the state that this run is to make."""
        ...

    def keep(self) -> Path:
        """The state that was begun is whole: show it to all. What it returns is as from `find`.

        States that were not used for longest are removed if the cache has grown too large.
        """
        ...

    def discard(self, reason: str) -> None:
        """Remove the state that was found or kept, for it can't be used; then `release`.

        If others use it just now it stays: they will see for themselves.
        """
        ...

    def rule_out(self, reason: str) -> None:
        """As `discard`, and also for what is to be made: it would be of no use either.

        Till the cache is cleared, nobody makes it any more: `find` tells the *reason*.
        """
        ...

    def release(self) -> None:
        """Use or make this state no more. What was begun and not kept is removed."""
        ...
