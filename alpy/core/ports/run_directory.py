# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the evidence goes."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol


class RunDirectory(Protocol):
    """The folder where the evidence of one run stays. Releasing it closes files, deletes none."""

    @property
    def path(self) -> Path:
        """The folder, absolute."""
        ...

    def take(self) -> None:
        """Make the folder and begin its debug.log.

        Raises:
            RunDirectoryError: it holds files already, or can't be made or written.
        """
        ...

    def file(self, name: str) -> Path:
        """Where the evidence file *name* belongs. It is not created."""
        ...

    def write_debug(self, line: str) -> None:
        """Append *line* to debug.log, behind a time stamp. Never raises; see `release`."""
        ...

    def release(self) -> None:
        """Close debug.log.

        Raises:
            RunDirectoryError: a line could not be written, now or earlier.
        """
        ...
