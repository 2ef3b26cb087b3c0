# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of files as a short text; a large file is read again only once it has changed."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import time_ns
from typing import Final

from attrs import frozen

from alpy.adapters.private_folder import make_private
from alpy.adapters.sparse import digest_filled
from alpy.core.errors import ApplianceFileError

# The time of a file goes in steps, of 2 s on the coarsest file systems. What changed so recently
# may change again without another time.
_STEP: Final = 2_000_000_000
# Of a file that nobody asked for in such a time its memory goes.
_KEPT: Final = 30 * 86400 * 1_000_000_000
# Where it is kept, in the folder of the states.
CONTENTS: Final = "contents"


def whole_digest(path: Path) -> str:
    """The content of the file at *path*.

    Raises:
        ApplianceFileError: it can't be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return digest_filled(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ApplianceFileError(
            asked=f"read {path}",
            found=os.strerror(error.errno or 0),
            remedy="Give the path of a file that this user can read",
        ) from error


@frozen
class RememberedDigest:
    """`whole_digest`, remembered in *memory*, a folder of ours, until the file changes."""

    memory: Path

    def __call__(self, path: Path) -> str:
        """The content of the file at *path*.

        Raises:
            ApplianceFileError: it can't be read.
        """
        note = self.memory / sha256(os.fsencode(path.absolute())).hexdigest()[:32]
        before = _look(path)
        with suppress(OSError):
            seen, _, digest = note.read_text(encoding="ascii").partition(" ")
            if seen == before:
                with suppress(OSError):
                    os.utime(note)
                return digest
        digest = whole_digest(path)
        if _is_old(path) and _look(path) == before:
            self._remember(note, f"{before} {digest}")
        return digest

    def _remember(self, note: Path, text: str) -> None:
        # It only saves time: no room for it is no fault.
        if make_private(self.memory):
            return
        with suppress(OSError):
            descriptor, name = tempfile.mkstemp(dir=self.memory)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(text)
            Path(name).replace(note)
            self._forget_old()

    def _forget_old(self) -> None:
        for note in self.memory.iterdir():
            if time_ns() - note.stat().st_mtime_ns > _KEPT:
                note.unlink(missing_ok=True)


def _look(path: Path) -> str:
    """What is another text once the file was changed or replaced; empty if there is none."""
    with suppress(OSError):
        status = path.stat()
        facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        return "-".join(map(str, (*facts, status.st_ctime_ns)))
    return ""


def _is_old(path: Path) -> bool:
    with suppress(OSError):
        status = path.stat()
        return time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _STEP
    return False
