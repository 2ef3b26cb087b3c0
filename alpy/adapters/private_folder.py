# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that nobody else can look into or write."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def make_private(folder: Path) -> str | None:
    """Make *folder* if need be. Why it can't be relied on; None if it can."""
    # In a folder for all, somebody else may have put a link or a folder of theirs in this place.
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        return os.strerror(error.errno or 0)
    if not stat.S_ISDIR(status.st_mode):
        return "it is no folder"
    if status.st_uid != os.getuid():
        return "it belongs to somebody else"
    return "others can look into it" if status.st_mode & 0o077 else None
