# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the user's own."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from tempfile import gettempdir


def user_cache(environment: Mapping[str, str]) -> Path:
    """Where all that can be made again is kept: $ALPY_CACHE, or alpy in the user's cache."""
    if chosen := environment.get("ALPY_CACHE"):
        return Path(chosen).absolute()
    if cache := environment.get("XDG_CACHE_HOME"):
        return Path(cache).absolute() / "alpy"
    try:
        return Path.home() / ".cache" / "alpy"
    except RuntimeError:  # a user id that no password database knows, as in some containers
        return Path(gettempdir()) / f"alpy-{os.getuid()}" / "cache"


def make_private(folder: Path) -> str | None:
    """Make *folder*, for our eyes only, if need be. Why it is not that; None if it is.

    One of ours that others could read only is closed to them.
    """
    # In a folder for all, somebody else may have put a link or a folder of theirs in this place.
    try:
        for each in (*reversed(folder.parents), folder):
            each.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode):
            return "it is no folder"
        if status.st_uid != os.getuid():
            return "it belongs to somebody else"
        if status.st_mode & 0o022:
            return "others can look into it, and may have changed what is there"
        if status.st_mode & 0o077:
            _close_to_others(folder)
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None


def _close_to_others(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)
