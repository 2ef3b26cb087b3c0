# SPDX-License-Identifier: GPL-3.0-or-later
"""Application containers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from alpy.core.app import AppOutput, AppSpec
from alpy.core.exit_status import ExitStatus


class Apps(Protocol):
    """Application containers. An app's *name* is chosen before it is made, and is its handle."""

    def create(self, spec: AppSpec, *, name: str, node: int, log: Path) -> None:
        """Make the container, with its files in it, and open *log*; nothing runs yet.

        Raises:
            ImageMissingError: the image is not there.
            InvalidValueError: a file to copy in is missing on the host, or *name* is taken.
            RunDirectoryError: *log* can't be made.
            DockerError: the daemon refused.
        """
        ...

    def start(self, name: str) -> None:
        """Run the app's command. All it writes from its first byte on is kept in its log.

        Raises:
            DockerError: the daemon refused. A command that is not in the image is no error here:
                it ends with exit code 127, one that can't be executed with 126.
        """
        ...

    def wait(self, name: str, *, timeout: float) -> ExitStatus | None:
        """How the app ended, its output complete; None if that is not known after *timeout* s.

        It takes no more than a moment longer, so that the watch can call it: of a daemon that is
        gone or silent nothing is known.

        Raises:
            DockerError: somebody removed the container.
        """
        ...

    def status(self, name: str) -> ExitStatus | None:
        """How the app ended, its output complete; None if it still runs. The daemon's word counts.

        Raises:
            DockerError: the daemon is gone or silent, or somebody removed the container.
        """
        ...

    def output(self, name: str) -> AppOutput:
        """What the app wrote until now."""
        ...

    def send_signal(self, name: str, signal: str) -> None:
        """Send "SIGTERM", say. An app that has ended already is no error.

        Raises:
            DockerError: the daemon refused.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove the container, killing what runs in it, and close its log.

        Raises:
            DockerError: it is still there.
            RunDirectoryError: a part of its log could not be written.
        """
        ...
